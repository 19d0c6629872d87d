"""Training in one process a card; the module is also what each of the processes runs."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from functools import partial

import torch
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel

from ..measure import seconds
from ..training_step import TrainingStep, at_the_end, random_batch
from .check import CheckFailed, Said, Settings
from .methods import METHODS

MARK = 'rank 0 found '
#: Seconds after which processes count as hanging; half of it is the start on a slow machine.
LIMIT = 300


def check_processes(settings: Settings) -> Said:
    """Do two steps of C3-SemiSeg in one process a card with NCCL; in a dry run in one with gloo.

    Args:
        settings (Settings): Where.

    Raises:
        CheckFailed: If a process dies or hangs, a loss is not finite, or the weights part.
    """
    number = 1 if settings.dry else torch.cuda.device_count()
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
    command += [f'--nproc-per-node={number}', '-m', __name__, '--device', settings.device]
    printed = run_limited(command, max(30.0, min(LIMIT, settings.seconds_left)))
    found = next((line for line in printed.splitlines() if line.startswith(MARK)), None)
    if found is None:
        raise CheckFailed(f'the processes ended without a result: {_last(printed)}')
    figure = json.loads(found.removeprefix(MARK))
    if settings.dry:
        figure['ms'] = None
    said = f'{number} process(es) over {figure["backend"]}'
    if not figure.pop('finite'):
        raise CheckFailed(f'{said}: the loss is not finite', [figure])
    if figure['apart'] != 0:
        raise CheckFailed(f'{said}: weights part by {figure["apart"]:.1e} in two steps', [figure])
    return Said(f'{said}: two steps, and all have the same weights', [figure])


def run_limited(command: list[str], limit: float) -> str:
    """Run a program and all that it starts, and end them when the time is over.

    Args:
        command (list[str]): Program and arguments.
        limit (float): Seconds.

    Returns:
        str: What it printed.

    Raises:
        CheckFailed: If it fails, or does not end in time.
    """
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        raise CheckFailed(f'the processes did not end in {limit:.0f} s') from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode:
        raise CheckFailed(f'a process failed: {_last(printed)}')
    return printed


def _last(printed: str) -> str:
    # The launcher closes with a table of its own; what the process said last is its error.
    lines = [line.strip() for line in printed.splitlines()]
    errors = [line for line in lines if 'Error' in line.split(':')[0]]
    return (errors or [line for line in lines if line] or ['it printed nothing'])[-1][:300]


def two_steps(device: str) -> dict[str, str | int | float | bool]:
    """Do two steps in this process of several, and compare the weights of all.

    Args:
        device (str): ``'cuda'`` or ``'cpu'``.

    Returns:
        dict: Backend, number of processes, time of the second step in ms, whether the losses are finite,
        and by how much the sums of the weights part.
    """
    rank, number = dist.get_rank(), dist.get_world_size()
    cfg = METHODS[0].small()
    end = cfg.train_cfg.max_iters
    torch.manual_seed(0)
    batch = random_batch(cfg, 2, 2)
    step = at_the_end(end, partial(TrainingStep, cfg, batch, device))
    torch.manual_seed(rank)
    step.batch = random_batch(cfg, 2, 2)
    wrapped = MMDistributedDataParallel(
        step.model,
        device_ids=[torch.cuda.current_device()] if device == 'cuda' else None,
        broadcast_buffers=False,
        find_unused_parameters=False,
    )
    losses = []

    def run() -> None:
        losses.append(wrapped.train_step(step.batch, step.optim)['loss'].detach())
        step.average()

    at_the_end(end, run)
    taken = seconds(partial(at_the_end, end, run), device)
    trained = [p.detach().double().flatten() for p in step.model.parameters()]
    sums = torch.stack([torch.cat(trained).sum(), torch.cat(trained).square().sum()])
    largest, smallest = sums.clone(), sums.clone()
    dist.all_reduce(largest, dist.ReduceOp.MAX)
    dist.all_reduce(smallest, dist.ReduceOp.MIN)
    finite = torch.stack(losses).isfinite().all().int()
    dist.all_reduce(finite, dist.ReduceOp.MIN)
    return {
        'what': 'two steps',
        'backend': dist.get_backend(),
        'processes': number,
        'ms': round(1e3 * taken, 2),
        'finite': bool(finite),
        'apart': float((largest - smallest).abs().max()),
    }


def main(argv: list[str] | None = None) -> None:
    """Join the other processes, do the steps, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--device', choices=['cpu', 'cuda'], required=True)
    device = parser.parse_args(argv).device
    if device == 'cuda':
        torch.cuda.set_device(int(os.environ['LOCAL_RANK']))
    dist.init_process_group('nccl' if device == 'cuda' else 'gloo')
    try:
        found = two_steps(device)
        if dist.get_rank() == 0:
            print(f'{MARK}{json.dumps(found)}', flush=True)
        dist.barrier()
    finally:
        dist.destroy_process_group()


if __name__ == '__main__':
    main()
