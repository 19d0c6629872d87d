"""What the benchmarks share: time and peak memory on a CPU or a GPU, arguments, table and CSV."""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from mmengine.device import get_device
from rich.console import Console
from rich.table import Table

from ..files import write_csv

Work = Callable[[], object]


def keep_blocks() -> bool:
    """Let glibc keep freed blocks, as allocators of GPUs do.

    Returns:
        bool: Whether it does; on another C library it does not.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        return False
    trim_threshold, mmap_max = -1, -4
    # -1 becomes the largest size: the heap is never given back
    return bool(mallopt(mmap_max, 0) and mallopt(trim_threshold, -1))


def seconds(work: Work, device: str) -> float:
    """Time one call.

    Args:
        work (Callable): What is called.
        device (str): ``'cpu'`` or ``'cuda'``; a GPU is waited for.
    """
    _synchronize(device)
    start = time.perf_counter()
    work()
    _synchronize(device)
    return time.perf_counter() - start


def peak_bytes(work: Work, device: str) -> int:
    """Return the most that a call has allocated at a time, beyond what there was before.

    Args:
        work (Callable): What is called.
        device (str): ``'cpu'`` (torch's own allocations, by its profiler) or ``'cuda'``.
    """
    gc.collect()
    if device == 'cuda':
        _synchronize(device)
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        work()
        return torch.cuda.max_memory_allocated() - before
    activity = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activity, profile_memory=True) as profiler:
        work()
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == '[memory]']
    now = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak


def free_bytes(device: str) -> int:
    """Return the bytes that can be had now.

    Args:
        device (str): ``'cpu'`` or ``'cuda'``.
    """
    if device == 'cuda':
        return torch.cuda.mem_get_info()[0]
    return os.sysconf('SC_AVPHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')


def measure_in_turns(
    works: Mapping[str, Work], device: str, repeats: int
) -> dict[str, tuple[float, float]]:
    """Measure pieces of work that are to be compared, one after the other in each round.

    Args:
        works (Mapping[str, Callable]): What is called, by name; call each once before, to warm up.
        device (str): ``'cpu'`` or ``'cuda'``.
        repeats (int): Rounds.

    Returns:
        dict[str, tuple[float, float]]: Of each, the median time in ms and the peak in MiB.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            times[name].append(seconds(work, device))
    return {
        name: (1e3 * statistics.median(times[name]), peak_bytes(work, device) / 2**20)
        for name, work in works.items()
    }


def add_measure_arguments(parser: argparse.ArgumentParser, repeats: int) -> None:
    """Add ``--device``, ``--repeats`` and ``--out``.

    Args:
        parser (argparse.ArgumentParser): Parser of the tool.
        repeats (int): Default of ``--repeats``.
    """
    parser.add_argument(
        '--device', default=get_device(), help='cpu or cuda (default: what is there)'
    )
    parser.add_argument(
        '--repeats',
        type=at_least_one,
        default=repeats,
        help=f'timed runs of each form (default: {repeats})',
    )
    parser.add_argument('--out', type=Path, help='CSV file to write')


def fix_conditions(device: str, repeats: int) -> str:
    """Make the allocator keep its blocks where that is possible, and say how is measured.

    Args:
        device (str): ``'cpu'`` or ``'cuda'``.
        repeats (int): Timed runs of each form.

    Returns:
        str: Device, torch, threads, allocator and repeats.
    """
    warm = device != 'cpu' or keep_blocks()
    name = torch.cuda.get_device_name() if device == 'cuda' else 'CPU'
    return (
        f'{name}, torch {torch.__version__}, {torch.get_num_threads()} thread(s), OMP_NUM_THREADS='
        f'{os.environ.get("OMP_NUM_THREADS", "not set")}, {"warm" if warm else "cold"} allocator, '
        f'median of {repeats}'
    )


def report(
    rows: Sequence[Mapping[str, str]],
    conditions: str,
    caption: str,
    out: Path | None = None,
    num_texts: int = 1,
) -> None:
    """Print a table and write it to a CSV file, with the conditions in each line.

    Args:
        rows (Sequence[Mapping[str, str]]): Rows, by the names of the columns.
        conditions (str): How was measured; the title.
        caption (str): What the ratios mean.
        out (Path, optional): The file.
        num_texts (int): Number of columns that hold text, the first ones.
    """
    header = list(rows[0])
    table = Table(title=conditions, caption=caption)
    for i, column in enumerate(header):
        table.add_column(column, justify='left' if i < num_texts else 'right')
    for row in rows:
        table.add_row(*row.values())
    # wide enough for all columns, also where the output is no terminal
    Console(width=max(125, Console().width)).print(table)
    if out:
        write_csv(out, [{**row, 'conditions': conditions} for row in rows])
        print(f'written to {out}')


def at_least_one(text: str) -> int:
    """Read a number of runs from the command line.

    Args:
        text (str): The number.

    Raises:
        ArgumentTypeError: If it is below 1.
    """
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'{number} measures nothing: give 1 or more')
    return number


def _synchronize(device: str) -> None:
    if device == 'cuda':
        torch.cuda.synchronize()
