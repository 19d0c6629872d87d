"""Time and peak memory of a piece of work, on a CPU or a GPU."""

from __future__ import annotations

import ctypes
import gc
import os
import time
from collections.abc import Callable

import torch

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


def describe_conditions(device: str, repeats: int) -> str:
    """Say under what conditions is measured, and keep the allocator's blocks where that is possible.

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


def _synchronize(device: str) -> None:
    if device == 'cuda':
        torch.cuda.synchronize()
