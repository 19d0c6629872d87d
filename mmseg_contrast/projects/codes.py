"""Masks as they are stored, in any encoding, as one number for each pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from ..datasets.files import unreadable
from ..problem import Problem, SetupError

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Codes:
    """A mask: a number for each pixel, whatever it means.

    Attributes:
        map (np.ndarray): Numbers of shape (H, W), integers: ids, or colours as :func:`code_of` writes them.
        colored (bool): Whether they are colours.
        palette (Mapping[int, Color]): Colours that the file shows its ids in, of those that it uses.
    """

    map: np.ndarray
    colored: bool = False
    palette: Mapping[int, Color] = field(default_factory=dict)


@dataclass(frozen=True)
class Content:
    """What a mask holds, without its pixels.

    Attributes:
        path (Path): The file.
        size (tuple[int, int]): Height and width.
        values (np.ndarray): Different numbers, sorted, shape (V,).
        pixels (np.ndarray): Pixels of each, shape (V,).
        colored (bool): Whether they are colours.
        palette (Mapping[int, Color]): As of :class:`Codes`.
    """

    path: Path
    size: tuple[int, int]
    values: np.ndarray
    pixels: np.ndarray
    colored: bool
    palette: Mapping[int, Color]


def code_of(color: Color) -> int:
    """Write a colour as one number, red first."""
    red, green, blue = (int(each) for each in color)
    return red << 16 | green << 8 | blue


def color_of(code: int) -> Color:
    """Invert :func:`code_of`."""
    return (code >> 16 & 255, code >> 8 & 255, code & 255)


def read_codes(path: str | Path) -> Codes:
    """Read a mask of ids (1 to 32 bits, palette), or of colours.

    Pixels that are fully transparent are black. Colours whose channels are all equal are ids.

    Args:
        path (str | Path): An image.

    Returns:
        Codes: Its numbers.

    Raises:
        SetupError: If the file cannot be read, or holds no numbers of a mask.
    """
    try:
        with Image.open(path) as image:
            image.load()
            mode, palette = image.mode, image.getpalette() if image.mode == 'P' else None
            if mode not in ('1', 'L', 'P', 'F') and not mode.startswith('I'):
                image = image.convert('RGBA')
            pixels = np.asarray(image)
    except Exception as error:
        raise unreadable(str(path), error) from error
    if pixels.ndim == 3:
        return _of_colors(path, pixels)
    if pixels.dtype.kind == 'f':
        if (pixels != np.round(pixels)).any():
            what = f'the mask holds fractions, such as {pixels[pixels != np.round(pixels)][0]:g}'
            raise SetupError(Problem(str(path), what, 'save whole class ids'))
        pixels = pixels.astype(np.int64)
    if pixels.dtype.kind not in 'bui' or pixels.min(initial=0) < 0:
        what = f'the mask holds the number {pixels.min()}' if pixels.size else 'the mask is empty'
        raise SetupError(Problem(str(path), what, 'save class ids from 0 on'))
    used = np.unique(pixels) if palette else ()
    colors = {int(id): tuple(palette[3 * id : 3 * id + 3]) for id in used}
    colors = {id: color for id, color in colors.items() if len(color) == 3}
    return Codes(pixels.astype(np.int32), palette=colors)


def _of_colors(path: str | Path, pixels: np.ndarray) -> Codes:
    alpha = pixels[..., 3]
    if ((alpha > 0) & (alpha < 255)).any():
        what = 'the mask is partly transparent, so its colours are no classes'
        raise SetupError(Problem(str(path), what, 'export it without anti-aliasing'))
    colors = np.where(alpha[..., None] > 0, pixels[..., :3], 0).astype(np.int32)
    red, green, blue = np.moveaxis(colors, -1, 0)
    if (red == green).all() and (red == blue).all():
        return Codes(red)
    return Codes(red << 16 | green << 8 | blue, colored=True)


def summarize(path: Path, codes: Codes) -> Content:
    """Count the pixels of each number of a mask.

    Args:
        path (Path): The file.
        codes (Codes): What it holds.

    Returns:
        Content: The counts.
    """
    flat = codes.map.ravel()
    # Masks are made of long runs of one number, which are far fewer than their pixels.
    starts = np.flatnonzero(np.diff(flat, prepend=flat[:1] - 1)) if flat.size else np.zeros(0, int)
    values, places = np.unique(flat[starts], return_inverse=True)
    lengths = np.diff(starts, append=flat.size)
    pixels = np.bincount(places, weights=lengths, minlength=len(values)).astype(np.int64)
    return Content(path, codes.map.shape, values, pixels, codes.colored, codes.palette)
