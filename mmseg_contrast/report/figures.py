"""Charts of a report: SVG whose colours are those of the page, in light and in dark."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ..scalars import Curve

#: What CSC's figures show: the ending of the key in the log, and the title of its panel.
CSC_PANELS = {
    'separ': 'Separ (lower is better)',
    'inter_cos': 'mean cosine of two classes',
    'cons': 'Cons(T) (higher is better)',
    'cons_proxy': 'cosine of class means with running means',
    'intra_spread': 'spread within a class',
    'accept_consistency': 'accepted consistency candidates',
    'accept_enqueue': 'accepted enqueue candidates',
    'rows_min': 'rows of the emptiest class',
}

#: Points of a line, at most: a phone has no more.
MAX_POINTS = 240
NUM_COLORS = 6
# Colours that stand for the variables of the page, and are replaced in the SVG.
_INK, _MUTED, _GRID = '#010101', '#020202', '#030303'
_SERIES = [f'#0{i}0{i}0{i}' for i in range(4, 4 + NUM_COLORS)]
_VARIABLES = {
    _INK: 'var(--ink)',
    _MUTED: 'var(--muted)',
    _GRID: 'var(--line)',
    **{color: f'var(--s{i})' for i, color in enumerate(_SERIES, 1)},
}
_WIDTH, _HEIGHT = 5.0, 2.7  # inches of 72 points: 360 x 194 on the page


@dataclass(frozen=True)
class Chart:
    """A chart with its words.

    Attributes:
        title (str): What it shows.
        svg (str): The chart.
        series (list[tuple[str, int, bool]]): Name, number of the colour, and whether the line is dashed.
        note (str): A sentence on how to read it.
    """

    title: str
    svg: str
    series: list[tuple[str, int, bool]]
    note: str = ''


def line_chart(
    title: str,
    curves: Mapping[str, Curve],
    note: str = '',
    share: bool = False,
    dashed: Sequence[str] = (),
    burn_in: int = 0,
) -> Chart | None:
    """Draw curves over the iterations; None where there is no point.

    Args:
        title (str): What it shows.
        curves (Mapping[str, Curve]): Curves by name; at most :data:`NUM_COLORS` are drawn.
        note (str): A sentence on how to read it.
        share (bool): Whether the values are shares, drawn from 0 to 100 %.
        dashed (Sequence[str]): Names of dashed lines.
        burn_in (int): Iteration that is marked, if it is above 0.
    """
    drawn = {
        name: thin_out([(step, value) for step, value in curve if math.isfinite(value)])
        for name, curve in list(curves.items())[:NUM_COLORS]
    }
    drawn = {name: curve for name, curve in drawn.items() if curve}
    if not drawn:
        return None
    figure, axis = _new()
    for color, (name, curve) in zip(_SERIES, drawn.items()):
        steps, values = zip(*curve)
        axis.plot(
            steps,
            values,
            color=color,
            linewidth=1.6,
            linestyle='--' if name in dashed else '-',
            marker='o' if len(steps) <= 12 else None,
            markersize=3.5,
        )
    if share:
        axis.set_ylim(-0.02, 1.02)
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:.0%}'))
    last = max(curve[-1][0] for curve in drawn.values())
    if 0 < burn_in < last:
        axis.axvline(burn_in, color=_MUTED, linewidth=0.8, linestyle=':')
        axis.text(
            burn_in,
            1.01,
            'burn-in ends',
            color=_MUTED,
            fontsize=8,
            ha='center',
            va='bottom',
            transform=axis.get_xaxis_transform(),
        )
    axis.set_xlim(left=0, right=last * 1.02 or 1)
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    if not share:
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _few_digits(value)))
    axis.yaxis.set_major_locator(MaxNLocator(5))
    series = [(name, i, name in dashed) for i, name in enumerate(drawn, 1)]
    return Chart(title, _svg(figure), series, note)


def calibration_chart(bins: Mapping[str, np.ndarray]) -> Chart | None:
    """Draw how often each confidence is right; None where nothing was predicted.

    Args:
        bins (Mapping[str, np.ndarray]): By net, see :func:`.measures.bins_of`.
    """
    figure, axis = _new()
    axis.plot([0, 1], [0, 1], color=_MUTED, linewidth=0.8, linestyle=':')
    series = []
    for index, (net, (number, confidence, correct)) in enumerate(bins.items()):
        filled = number > 0
        if not filled.any():
            continue
        number = number[filled]
        x, y = confidence[filled] / number, correct[filled] / number
        axis.plot(x, y, color=_SERIES[index], linewidth=1.4)
        axis.scatter(x, y, s=4 + 60 * number / number.sum(), color=_SERIES[index])
        series.append((net, index + 1, False))
    if not series:
        return None
    for axes in (axis.xaxis, axis.yaxis):
        axes.set_major_formatter(FuncFormatter(lambda value, _: f'{value:.0%}'))
        axes.set_major_locator(MaxNLocator(5))
    axis.set_xlim(0, 1.03)
    axis.set_ylim(0, 1.03)
    note = (
        'Across: confidence. Up: share of the pixels that is right; below the dotted line a net is surer '
        'than it is right. A larger dot stands for more pixels.'
    )
    return Chart('Calibration', _svg(figure), series, note)


def thin_out(curve: Curve) -> Curve:
    """Return a curve of at most :data:`MAX_POINTS` points: means of neighbours, and the last step.

    Args:
        curve (Curve): Steps and values.
    """
    if len(curve) <= MAX_POINTS:
        return curve
    blocks = np.array_split(np.array(curve, float), MAX_POINTS)
    return [(round(block[-1, 0]), float(block[:, 1].mean())) for block in blocks]


def sparkline(curve: Curve, width: int = 80, height: int = 18) -> str:
    """Return the points of a small line in a box, from 0 to the largest value; empty for one point.

    Args:
        curve (Curve): Steps and values.
        width (int): Width of the box.
        height (int): Its height.
    """
    curve = [(step, value) for step, value in thin_out(curve) if math.isfinite(value)]
    if len(curve) < 2:
        return ''
    first, last = curve[0][0], curve[-1][0]
    top = max(value for _, value in curve) or 1
    span = max(last - first, 1)
    return ' '.join(
        f'{1 + (width - 2) * (step - first) / span:.1f},{height - 1 - (height - 2) * value / top:.1f}'
        for step, value in curve
    )


def _new() -> tuple[Figure, matplotlib.axes.Axes]:
    figure = Figure(figsize=(_WIDTH, _HEIGHT))
    FigureCanvasSVG(figure)
    axis = figure.add_axes((0.125, 0.11, 0.855, 0.81))
    figure.patch.set_alpha(0)
    axis.patch.set_alpha(0)
    for side in ('top', 'right', 'left'):
        axis.spines[side].set_visible(False)
    axis.spines['bottom'].set_color(_GRID)
    axis.tick_params(colors=_MUTED, labelsize=9.5, length=0)
    axis.grid(color=_GRID, linewidth=0.7, axis='y')
    axis.set_axisbelow(True)
    return figure, axis


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    # Text stays text, in the font of the page; names of parts do not change from call to call.
    with matplotlib.rc_context({'svg.fonttype': 'none', 'svg.hashsalt': 'report'}):
        figure.savefig(buffer, format='svg', metadata={'Date': None, 'Creator': None})
    text = buffer.getvalue()
    text = text[text.index('<svg') :]
    text = re.sub(r'<metadata>.*?</metadata>', '', text, flags=re.DOTALL)
    # Names that nothing refers to would be there once for each chart.
    used = {*re.findall(r'(?:href="#|url\(#)([^")]+)', text)}
    text = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else '', text)
    text = re.sub(r' (?:width|height)="[\d.]+pt"', '', text, count=2)
    for color, variable in _VARIABLES.items():
        text = text.replace(color, variable)
    return text.strip()


def _few_digits(value: float) -> str:
    return f'{value:.2e}'.replace('e-0', 'e-') if 0 < abs(value) < 0.01 else f'{value:.4g}'


def _short(value: float) -> str:
    return f'{value / 1000:g}k' if value >= 10000 else f'{value:,.0f}'
