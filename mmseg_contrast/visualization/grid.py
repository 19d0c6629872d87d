"""Grids of images with class colours and a legend."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ..structures.pixel_targets import IGNORE_INDEX


def overlay(
    image: np.ndarray, labels: np.ndarray, palette: np.ndarray, opacity: float = 0.65
) -> np.ndarray:
    """Lay class colours over an image; ignored pixels become black.

    Args:
        image (np.ndarray): RGB image, uint8, of shape (H, W, 3).
        labels (np.ndarray): Class of each pixel or 255, of shape (H, W).
        palette (np.ndarray): RGB colours of the classes, of shape (C, 3).
        opacity (float): Share of the class colour, in [0, 1].
    """
    known = labels != IGNORE_INDEX
    colors = np.asarray(palette)[np.where(known, labels, 0)]
    blended = ((1 - opacity) * image + opacity * colors).astype(np.uint8)
    return np.where(known[..., None], blended, 0).astype(np.uint8)


def draw_grid(
    columns: Mapping[str, Sequence[np.ndarray]],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    extra: Sequence[Patch] = (),
) -> bytes:
    """Draw columns of images with titles, and a legend of the classes.

    Args:
        columns (Mapping[str, Sequence[np.ndarray]]): RGB images, uint8 (H, W, 3), by title.
        classes (Sequence[str]): Class names.
        palette (Sequence[Sequence[int]]): Their RGB colours.
        extra (Sequence[Patch]): More entries of the legend.

    Returns:
        bytes: A PNG file.
    """
    rows = max(map(len, columns.values()))
    height, width = next(iter(columns.values()))[0].shape[:2]
    cell = 2.2  # inches, which hold about 28 letters of a title
    entries_per_line = max(2, 2 * len(columns))
    legend_lines = -(-(len(classes) + 1 + len(extra)) // entries_per_line)
    figure = Figure(
        figsize=(cell * len(columns), cell * rows * height / width + 0.3 + 0.25 * legend_lines),
        layout='constrained',
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, len(columns), squeeze=False)
    for (title, images), column in zip(columns.items(), axes.T):
        column[0].set_title(textwrap.fill(title, 28), fontsize=9)
        for axis, image in zip(column, images):
            axis.imshow(image, interpolation='nearest')
        for axis in column:
            axis.axis('off')
    patches = [
        Patch(facecolor=np.array(color) / 255, edgecolor='black', label=name)
        for name, color in zip(classes, palette)
    ]
    figure.legend(
        handles=[*patches, Patch(facecolor='black', label='ignored'), *extra],
        loc='outside lower center',
        ncols=entries_per_line,
        fontsize=7,
        frameon=False,
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=150)
    return buffer.getvalue()
