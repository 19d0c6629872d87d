"""One picture of all gains."""

from __future__ import annotations

import io
from collections.abc import Sequence

from .tables import Group


def draw_gains(groups: Sequence[Group]) -> bytes:
    """Draw the gain of each method with its interval, one panel for each group.

    Args:
        groups (Sequence[Group]): The groups, of which at least one has a gain.

    Returns:
        bytes: A PNG.

    Raises:
        ValueError: If no method has a gain.
    """
    from matplotlib.figure import Figure

    shown = [(each, each.gaining) for each in groups if each.gaining]
    if not shown:
        raise ValueError(
            'no method has a gain yet: it needs a run of the baseline with the same seed'
        )
    methods = [*dict.fromkeys(row.method for _, rows in shown for row in rows)]
    columns = min(len(shown), 2)
    lines = -(-len(shown) // columns)
    figure = Figure(figsize=(2.2 + 3.8 * columns, lines * (1.1 + 0.28 * len(methods))), dpi=120)
    axes = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axis in axes[len(shown) :]:
        axis.set_visible(False)
    for axis, (each, rows) in zip(axes, shown):
        places = [methods.index(row.method) for row in rows]
        gains = [row.gain.mean for row in rows]
        ends = [
            [row.gain.mean - row.gain.low for row in rows],
            [row.gain.high - row.gain.mean for row in rows],
        ]
        axis.axvline(0, color='0.6', linewidth=1)
        axis.errorbar(gains, places, xerr=ends, fmt='o', capsize=3, markersize=5)
        axis.set_title(each.title, fontsize=10)
        axis.set_yticks(range(len(methods)), methods)
        axis.grid(axis='x', alpha=0.3)
    axes[0].invert_yaxis()  # shared by all panels: the first method is on top
    figure.supxlabel('gain in mIoU over the baseline (points), with 95 % interval', fontsize=10)
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png')
    return buffer.getvalue()
