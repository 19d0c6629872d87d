"""The scalars that MMEngine logs."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
