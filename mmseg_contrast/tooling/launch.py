"""Running the tools of a repository from another tool, and in several processes."""

from __future__ import annotations

import logging
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import print_log

#: Runs a tool of ``tools/`` with its arguments, and raises if it fails.
RunTool = Callable[..., None]


def tool_runner(tools: Path, gpus: int) -> RunTool:
    """Return what runs a tool in processes of its own.

    Args:
        tools (Path): The folder of the tools.
        gpus (int): Number of processes; 0 for one without a launcher.
    """

    def run(tool: str, *arguments: str) -> None:
        command = [sys.executable]
        if gpus:
            # standalone: a free port, so that two of them can run beside each other
            command += ['-m', 'torch.distributed.run', '--standalone', f'--nproc-per-node={gpus}']
        command += [str(tools / tool), *arguments]
        command += ['--launcher', 'pytorch'] if gpus else []
        print(f'$ {shlex.join(command)}', flush=True)
        # The tool holds the lock of the folder too, should this process be killed before it.
        process = subprocess.Popen(command, close_fds=False)
        try:
            failed = process.wait() != 0
        except BaseException:
            process.terminate()
            process.wait()
            raise
        if failed:
            raise RuntimeError(
                f'{tool} failed: see the message above; the same command goes on here'
            )

    return run


def check_gpus(gpus: int) -> None:
    """Refuse more processes than there are GPUs, before anything starts.

    Args:
        gpus (int): Number of processes; 0 for one without a launcher.

    Raises:
        ValueError: If fewer GPUs are visible.
    """
    visible = torch.cuda.device_count()
    if gpus > visible:
        raise ValueError(
            f'--gpus {gpus}: {visible or "no"} GPU(s) visible; '
            + ('give a smaller number' if visible else 'leave it out to run on the CPU')
        )


def join_on_cpus(launcher: str) -> None:
    """Join the processes of a launcher where there is no GPU; MMEngine's own start looks for one.

    Args:
        launcher (str): ``'pytorch'``, the one that works without GPUs.

    Raises:
        ValueError: If it is another.
    """
    if launcher != 'pytorch':
        raise ValueError(
            f'--launcher {launcher} needs GPUs, and none is visible: take --launcher pytorch, or leave it '
            'out to run one process on the CPU'
        )
    torch.distributed.init_process_group('gloo')


def fit_to_cpus(cfg: Config) -> None:
    """Change what MMEngine and torch do on GPUs alone in a config that is run by several processes.

    Args:
        cfg (Config): The config.
    """
    # MMEngine would name a GPU. Each process has batch norms of its own, of which a checkpoint holds those
    # of the first: all keep to these, or a resumed run would not end as an uninterrupted one.
    cfg.setdefault(
        'model_wrapper_cfg',
        dict(
            type='MMDistributedDataParallel',
            device_ids=None,
            broadcast_buffers=True,
            find_unused_parameters=cfg.get('find_unused_parameters', False),
        ),
    )
    if cfg.get('sync_bn'):
        cfg.sync_bn = None
        print_log(
            'sync_bn is left out: torch has no synchronised batch norm on CPUs, so each process '
            'normalises by its own images',
            logger='current',
            level=logging.WARNING,
        )
