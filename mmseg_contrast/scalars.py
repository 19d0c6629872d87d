"""The scalars that MMEngine logs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

#: Values of one quantity by the step at which they were logged.
Curve = list[tuple[int, float]]
#: What training and validation log under one name.
_SHARED = {'time', 'data_time', 'memory'}


def find_scalars(path: Path) -> list[Path]:
    """Return the logs of scalars of a work folder from old to new, or the file itself.

    Args:
        path (Path): Work folder, or a ``scalars.json``.
    """
    # The folders are named by the time of their start.
    return [path] if path.is_file() else sorted(path.glob('*/vis_data/scalars.json'))


def read_scalars(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the entries of a log, without a last one that a kill has cut off.

    Args:
        path (Path): A ``scalars.json``: one JSON object in each line.
    """
    for line in path.read_text(encoding='utf-8').splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def read_curves(paths: Sequence[Path]) -> dict[str, Curve]:
    """Read what a run has logged of each quantity.

    Args:
        paths (Sequence[Path]): Each a ``scalars.json``, from old to new. Where a log begins, what older
            ones say of later steps is dropped: the run was resumed from there, or started anew.

    Returns:
        dict[str, Curve]: Pairs of step and value by name. Times and memory are those of the training.
    """
    curves: dict[str, Curve] = {}
    for path in paths:
        entries = [entry for entry in read_scalars(path) if 'step' in entry]
        start = min((entry['step'] for entry in entries), default=math.inf)
        curves = {name: [p for p in curve if p[0] < start] for name, curve in curves.items()}
        for entry in entries:
            training = 'iter' in entry or 'lr' in entry
            for name, value in entry.items():
                if name in ('step', 'iter', 'epoch') or not isinstance(value, int | float):
                    continue
                if training or name not in _SHARED:
                    curves.setdefault(name, []).append((entry['step'], value))
    return {name: curve for name, curve in curves.items() if curve}
