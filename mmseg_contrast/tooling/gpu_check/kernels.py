"""Kernels and the update of a bank against the naive forms, and tiles of other sizes."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from ...models.losses.contrast import TILE_NUMBERS as GROUPED_TILES
from ...models.losses.supervised_contrast import TILE_NUMBERS as SUPERVISED_TILES
from ..loss_cases import CASES, Case, measure, run
from ..measure import measure_in_turns
from .check import CheckFailed, Figure, Said, Settings
from .memory import free_memory
from .precision import tf32

#: Largest relative difference of a value from that of the naive form.
TOLERANCE = 1e-3
#: Numbers in a tile that are tried.
TRIED = tuple(2**power for power in (20, 21, 22, 23, 24, 25, 26))


def check_case(name: str, settings: Settings) -> Said:
    """Measure a kernel against its naive form, and that of pytorch-metric-learning where it is there.

    Args:
        name (str): One of :data:`mmseg_contrast.tooling.loss_cases.CASES`.
        settings (Settings): Where and how often.

    Raises:
        CheckFailed: If they do not compute the same.
    """
    figures: list[Figure] = []
    torch.manual_seed(0)
    with tf32(False):
        for case in CASES[name]('tiny' if settings.dry else 'standard', settings.device):
            rows = measure(case, settings.device, 1 if settings.dry else settings.repeats)
            figures += [_figure(row, settings.dry) for row in rows]
            free_memory()
    wrong = [
        f['what'] for f in figures if f['difference'] is not None and f['difference'] > TOLERANCE
    ]
    if wrong:
        raise CheckFailed(f'not the value of the naive form: {", ".join(wrong)}', figures)
    if settings.dry:
        return Said('the values of the naive form; nothing is measured without a card', figures)
    ours = [f for f in figures if f['time_ratio'] is not None][:1]
    ratios = ', '.join(
        f'{f["time_ratio"]:g} times as fast with 1/{f["memory_ratio"]:g} of the memory'
        for f in ours
    )
    return Said(f'{figures[0]["what"]}: {ratios or "the naive form does not fit"}', figures)


def _figure(row: dict[str, str], dry: bool) -> Figure:
    def number(column: str) -> float | None:
        return None if row[column] == '-' else float(row[column])

    measured = {
        'ms': number('ms'),
        'mib': number('MiB'),
        'time_ratio': number('time ratio'),
        'memory_ratio': number('memory ratio'),
    }
    return {
        'what': f'{row["case"]}, {row["form"]}',
        **(dict.fromkeys(measured) if dry else measured),
        'difference': number('difference'),
    }


def tune_tiles(settings: Settings) -> Said:
    """Measure the kernels with tiles of several sizes, and say which is best; nothing is changed.

    Args:
        settings (Settings): Where and how often.
    """
    size = 'tiny' if settings.dry else 'standard'
    figures: list[dict[str, Any]] = []
    for name, sizes in (
        ('within_image', SUPERVISED_TILES),
        ('c3semiseg', GROUPED_TILES),
        ('csc', GROUPED_TILES),
    ):
        torch.manual_seed(0)
        for case in CASES[name](size, settings.device):
            figures += tune_case(case, sizes, settings)
            free_memory()
    best: dict[str, dict[str, Any]] = {}
    for figure in figures:
        case = figure['case']
        if figure['ms'] is not None and figure['ms'] < best.get(case, {'ms': float('inf')})['ms']:
            best[case] = figure
    if not best:
        return Said('all sizes run; nothing is measured without a card', figures)
    said = ', '.join(f'{case}: 2^{f["numbers"].bit_length() - 1}' for case, f in best.items())
    return Said(f'numbers in the fastest tile: {said}', figures)


def tune_case(
    case: Case, sizes: MutableMapping[str, int], settings: Settings
) -> list[dict[str, Any]]:
    """Measure our form of a case with tiles of each of :data:`TRIED`.

    Args:
        case (Case): The case.
        sizes (MutableMapping[str, int]): Numbers in a tile by kind of device, which the kernel reads.
        settings (Settings): Where and how often.
    """
    figures = []
    work = partial(run, case.forms[0], case.leaves)
    for numbers in TRIED:
        with tile_numbers(sizes, settings.device, numbers):
            work()
            found = (
                None
                if settings.dry
                else measure_in_turns({'': work}, settings.device, settings.repeats)
            )
        milli, mega = found[''] if found else (None, None)
        figures.append(
            {
                'what': f'{case.name}, {numbers} numbers',
                'case': case.name,
                'numbers': numbers,
                'ms': milli,
                'mib': mega,
            }
        )
    return figures


@contextmanager
def tile_numbers(sizes: MutableMapping[str, int], device: str, numbers: int) -> Iterator[None]:
    """Let a kernel use tiles of another size in a block.

    Args:
        sizes (MutableMapping[str, int]): What the kernel reads.
        device (str): Kind of device.
        numbers (int): Numbers in a tile.
    """
    before = sizes[device]
    sizes[device] = numbers
    try:
        yield
    finally:
        sizes[device] = before
