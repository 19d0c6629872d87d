"""The scalars that MMEngine logs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


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


def name_by_class(name: str, classes: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    """Return the values of classes by the names under which they are logged.

    Some backends store ``a/b`` in a folder ``a``, so that no scalar may be the parent of another.

    Args:
        name (str): What the values are.
        classes (Sequence[str]): Names of the C classes; a slash in one becomes a dash.
        values (Sequence[float]): A value for each class; one without has NaN and is left out.
    """
    return {
        f'{name}/{label.replace("/", "-")}': value
        for label, value in zip(classes, values)
        if not math.isnan(value)
    }
