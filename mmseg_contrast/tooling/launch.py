"""Running the tools of a repository from another tool."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

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
