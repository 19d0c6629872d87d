"""Where the tools and configs of the package are, in a checkout and in a wheel."""

from __future__ import annotations

import difflib
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def folder_of(name: str) -> Path:
    """Find a folder that belongs to the package.

    Args:
        name (str): ``'tools'`` or ``'configs'``.

    Returns:
        Path: It, without links: below ``.mim`` in a wheel, beside the package in a checkout.

    Raises:
        FileNotFoundError: If it is not there.
    """
    for place in (PACKAGE / '.mim', PACKAGE.parent):
        if (place / name).is_dir():
            return (place / name).resolve()
    raise FileNotFoundError(
        f'{PACKAGE}: the folder {name} is missing; install the package again (pip install ...).'
    )


def configs() -> dict[str, Path]:
    """List the configs of the package by name; parts of configs (``_base_``) are none."""
    folder = folder_of('configs')
    found = sorted(folder.glob('*/*.py'))
    return {path.stem: path for path in found if path.parent.name != '_base_'}


def find_config(given: str | Path) -> Path:
    """Find a config by its path, or one of the package by its name.

    Args:
        given (str | Path): A path, or a name such as ``c3semiseg_mosaic``, with or without ``.py``.

    Returns:
        Path: The file.

    Raises:
        FileNotFoundError: If there is none.
    """
    path = Path(given)
    if path.is_file():
        return path
    remedy = 'give the path of a .py file, or the name of a config of mmseg_contrast'
    if path.parent == Path('.'):
        known = configs()
        name = path.name.removesuffix('.py')
        if name in known:
            return known[name]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
        remedy += f', such as {near[0]}' if near else ''
    raise FileNotFoundError(f'there is no config {given}: {remedy}')
