"""Names and colours of classes, from the command line or from a file beside the masks."""

from __future__ import annotations

import colorsys
import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmseg.registry import DATASETS

from ..problem import Problem, SetupError
from .codes import Color

#: Files of class names that tools for labelling write.
FILES = (
    'classes.txt',
    'class_names.txt',
    'labels.txt',
    'labelmap.txt',
    'label_colors.txt',
    'class_dict.csv',
    'classes.csv',
    '_classes.csv',
)
_NUMBER = re.compile(r'\d+')
_IGNORED = ('void', 'ignore', 'ignored', '__ignore__', 'unlabeled', 'unlabelled')
_HEADERS = {('name', 'r', 'g', 'b'), ('pixel value', 'class'), ('class', 'r', 'g', 'b')}


@dataclass(frozen=True)
class ClassNames:
    """Names of the classes in the order of their ids.

    Attributes:
        names (list[str]): One for each class.
        colors (list[Color]): One for each class, or none.
        ignored (list[Color]): Colours of pixels that are no class.
        source (str): Where they come from, for the user.
    """

    names: list[str]
    colors: list[Color] = field(default_factory=list)
    ignored: list[Color] = field(default_factory=list)
    source: str = ''


def class_names(given: Sequence[str], folders: Iterable[Path]) -> ClassNames | None:
    """Take the names that are given, or look for a file of them.

    Args:
        given (Sequence[str]): Names, or the path of one file of them; may be empty.
        folders (Iterable[Path]): Where to look for one of :data:`FILES`.

    Returns:
        ClassNames | None: The names; None if there are none.

    Raises:
        SetupError: If a file cannot be understood, or a name is given twice.
    """
    if len(given) == 1 and Path(given[0]).suffix.lower() in ('.txt', '.csv', '.names'):
        return read_class_names(Path(given[0]))
    if given:
        return _checked(ClassNames([*given], source='--classes'), '--classes')
    for folder in dict.fromkeys(folders):
        for name in FILES:
            if (folder / name).is_file():
                return read_class_names(folder / name)
    return None


def read_class_names(path: Path) -> ClassNames:
    """Read a file of class names, with colours or without.

    A line is ``name``, ``id name``, ``name r g b``, ``r g b name`` or, as CVAT writes it,
    ``name:r,g,b:parts:actions``; signs between may be blanks, commas or tabs.

    Args:
        path (Path): The file.

    Returns:
        ClassNames: Its names.

    Raises:
        FileNotFoundError: If there is no such file.
        SetupError: If a line cannot be understood.
    """
    if not path.is_file():
        raise FileNotFoundError(f'{path}: there is no such file; give that of the class names.')
    rows: list[tuple[str, Color | None]] = []
    for number, line in enumerate(path.read_text(encoding='utf-8-sig').splitlines(), 1):
        line = line.strip()
        if not line or line.startswith(('#', '//')) or _fields(line, lower=True) in _HEADERS:
            continue
        name, color = _parse(line)
        if not name or (rows and (color is None) != (rows[0][1] is None)):
            what = f'line {number} is {line!r}, which is no class name like the lines before it'
            remedy = 'write one class a line: a name, or a name and its colour (road 128 64 128)'
            raise SetupError(Problem(str(path), what, remedy))
        rows.append((name, color))
    if not rows:
        raise SetupError(Problem(str(path), 'it names no class', 'write one class name a line'))
    colored = rows[0][1] is not None
    # Without colours a name stands for an id, and may be left out only where LabelMe says so.
    ignored = _IGNORED if colored else ('__ignore__',)
    kept = [row for row in rows if row[0].lower() not in ignored]
    names = ['background' if name == '_background_' else name for name, _ in kept]
    colors = [color for _, color in kept] if colored else []
    void = [color for name, color in rows if colored and name.lower() in ignored]
    return _checked(ClassNames(names, colors, void, str(path)), str(path))


def _fields(line: str, lower: bool = False) -> tuple[str, ...]:
    fields = next(csv.reader([line], skipinitialspace=True))
    return tuple(each.strip().lower() if lower else each.strip() for each in fields)


def _parse(line: str) -> tuple[str, Color | None]:
    """Read one class: its name, and its colour if there is one."""
    cvat = re.match(r'(.+?):(\d+),\s*(\d+),\s*(\d+):', line)
    if cvat:
        return cvat[1].strip(), tuple(map(int, cvat.groups()[1:]))
    words = [word for word in re.split(r'[,;\t]\s*|\s+', line) if word]
    for numbers, rest in ((words[-3:], words[:-3]), (words[:3], words[3:])):
        if rest and len(numbers) == 3 and all(map(_NUMBER.fullmatch, numbers)):
            color = tuple(map(int, numbers))
            return (' '.join(rest), color) if max(color) < 256 else ('', None)
    numbered = re.fullmatch(r'(\d+)[\s,:;]+(\D.*)', line) or None
    if numbered:
        return numbered[2].strip(), None
    return line, None


def _checked(found: ClassNames, place: str) -> ClassNames:
    for kind, entries in (('name', found.names), ('colour', found.colors)):
        twice = [each for index, each in enumerate(entries) if each in entries[:index]]
        if twice:
            what = f'the {kind} {twice[0]} stands for two classes'
            raise SetupError(Problem(place, what, f'give each class a {kind} of its own'))
    return found


def cityscapes() -> ClassNames:
    """Return the 19 classes of Cityscapes, as MMSeg knows them."""
    known = DATASETS.get('CityscapesDataset').METAINFO
    colors = [tuple(color) for color in known['palette']]
    return ClassNames(list(known['classes']), colors, source="MMSeg's CityscapesDataset")


def distinct_colors(count: int) -> list[Color]:
    """Make colours for classes that have none: black first, then hues far from each other.

    Args:
        count (int): Number of colours.
    """
    colors: list[Color] = [(0, 0, 0)]
    for index in range(count - 1):
        # steps of the golden ratio around the circle never come close to each other
        hue = index * 0.618034 % 1
        value = (1.0, 0.75)[index // 12 % 2]
        rgb = colorsys.hsv_to_rgb(hue, 0.8, value)
        colors.append(tuple(round(255 * part) for part in rgb))
    return colors[:count]
