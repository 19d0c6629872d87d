"""What the numbers of masks mean: which class each of them is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from ..datasets.files import IGNORE_INDEX
from ..problem import Problem, SetupError
from .class_names import ClassNames, cityscapes, distinct_colors
from .codes import Codes, Color, Content, code_of, color_of, read_codes

#: What may be said of masks whose numbers do not tell it.
KINDS = ('ids', 'values', 'instances', 'class-instances')
# Class of each label id of Cityscapes that is one of its 19.
_CITYSCAPES = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
# The border that PASCAL VOC draws around objects.
_BORDER = code_of((224, 224, 192))
# More numbers than this are no classes, unless a list of classes says so.
_MOST = 64
_FEW = 4  # instances in one image from which on they are recognised


@dataclass(frozen=True)
class Encoding:
    """Which class each number of the masks is.

    Attributes:
        what (str): The encoding in words.
        table (dict[int, int]): Class, or 255 where it is ignored, by number.
        colored (bool): Whether the numbers are colours.
        names (list[str]): Names of the classes.
        palette (list[Color]): Colours to show them in.
    """

    what: str
    table: dict[int, int]
    colored: bool
    names: list[str]
    palette: list[Color]

    def encode(self, codes: Codes) -> np.ndarray:
        """Turn a mask into classes.

        Args:
            codes (Codes): The mask.

        Returns:
            np.ndarray: Class of each pixel, or 255, uint8 of shape (H, W).
        """
        known = np.array(sorted(self.table), np.int64)
        classes = np.array([self.table[int(code)] for code in known], np.uint8)
        return classes[np.searchsorted(known, as_colors(codes) if self.colored else codes.map)]

    def count(self, content: Content) -> np.ndarray:
        """Count the pixels of each class in a mask.

        Args:
            content (Content): Its numbers.

        Returns:
            np.ndarray: Pixels by class, then those that are ignored, int64 of shape (C + 1,).
        """
        counts = np.zeros(len(self.names) + 1, np.int64)
        for value, pixels in zip(_values(content, self.colored), content.pixels):
            index = self.table[int(value)]
            counts[-1 if index == IGNORE_INDEX else index] += pixels
        return counts


def as_colors(codes: Codes) -> np.ndarray:
    """Return the numbers of a mask as colours: through its palette, or as a grey.

    Args:
        codes (Codes): The mask.

    Returns:
        np.ndarray: Colours as :func:`code_of` writes them, of shape (H, W).
    """
    if codes.colored:
        return codes.map
    if codes.palette:
        ids = np.array(sorted(codes.palette))
        colors = np.array([code_of(codes.palette[int(id)]) for id in ids])
        return colors[np.searchsorted(ids, codes.map)]
    return codes.map * 0x010101


def _values(content: Content, colored: bool) -> np.ndarray:
    if not colored or content.colored:
        return content.values
    if content.palette:
        return np.array([code_of(content.palette[int(id)]) for id in content.values])
    return content.values * 0x010101


def decide(
    contents: Sequence[Content],
    names: ClassNames | None = None,
    kind: str | None = None,
    ignored: Collection[int | Color] | None = None,
    before: Mapping[int, int] | None = None,
) -> Encoding:
    """Find out what the numbers of masks mean.

    Args:
        contents (Sequence[Content]): What the masks hold; at least one.
        names (ClassNames, optional): Names of the classes, if they are known.
        kind (str, optional): One of :data:`KINDS`, if it was said.
        ignored (Collection[int | Color], optional): Numbers and colours that are no class. Defaults to
            None: 255, the border of PASCAL VOC and what the class names say.
        before (Mapping[int, int], optional): The table of an earlier time: its numbers keep their
            classes, new ones follow.

    Returns:
        Encoding: The table.

    Raises:
        SetupError: If the numbers do not tell it, or do not fit the classes.
    """
    stem = contents[0].path.stem
    if names is None and stem.endswith(('_gtFine_labelTrainIds', '_gtFine_labelIds')):
        names = cityscapes()
        if stem.endswith('_gtFine_labelIds'):
            table = dict.fromkeys(_all_values(contents, False), IGNORE_INDEX)
            table.update({id: index for index, id in enumerate(_CITYSCAPES)})
            return _named('label ids of Cityscapes', table, False, names, {})
    palettes = [content.palette for content in contents if content.palette]
    shown = _joined(palettes)
    colored = any(content.colored for content in contents) or shown is None
    if kind and colored:
        what = f'the mask holds colours, and --encoding {kind} is for numbers'
        raise SetupError(Problem(str(_colored_one(contents)), what, 'leave it out'))
    if colored:
        void = None if ignored is None else {_code(each) for each in ignored}
        return _of_colors(contents, names, void, before)
    void = None if ignored is None else {_id(each, shown) for each in ignored}
    return _of_ids(contents, names, kind, void, before, shown)


def _code(value: int | Color) -> int:
    return code_of(value) if isinstance(value, tuple) else value * 0x010101


def _id(value: int | Color, shown: Mapping[int, Color]) -> int:
    if not isinstance(value, tuple):
        return value
    ids = [id for id, color in shown.items() if color == value]
    if not ids:
        what = f'{",".join(map(str, value))} is a colour, but the masks hold numbers without it'
        raise SetupError(Problem('--ignore', what, 'give the number'))
    return ids[0]


def _joined(palettes: Sequence[Mapping[int, Color]]) -> dict[int, Color] | None:
    """Put palettes together; None where one id has two colours, so that the colours are what counts."""
    joined: dict[int, Color] = {}
    for palette in palettes:
        for id, color in palette.items():
            if joined.setdefault(id, color) != color:
                return None
    return joined


def _colored_one(contents: Sequence[Content]) -> Path:
    return next(
        (content.path for content in contents if content.colored or content.palette),
        contents[0].path,
    )


def _all_values(contents: Sequence[Content], colored: bool) -> list[int]:
    return sorted({int(v) for content in contents for v in _values(content, colored)})


def _holder(contents: Sequence[Content], value: int, colored: bool) -> Content:
    return next(content for content in contents if value in _values(content, colored))


def _of_colors(
    contents: Sequence[Content],
    names: ClassNames | None,
    ignored: Collection[int] | None,
    before: Mapping[int, int] | None,
) -> Encoding:
    _refuse_mixture(contents)
    values = _all_values(contents, True)
    told = {code_of(color) for color in (names.ignored if names else ())}
    void = {_BORDER} | told if ignored is None else set(ignored)
    present = [value for value in values if value not in void]
    table = {value: IGNORE_INDEX for value in values if value in void}
    if names and names.colors:
        known = {code_of(color): index for index, color in enumerate(names.colors)}
        unknown = [value for value in present if value not in known]
        if unknown:
            holder = _holder(contents, unknown[0], True)
            pixels = int(holder.pixels[_values(holder, True) == unknown[0]].sum())
            what = f'the mask has the colour {color_of(unknown[0])} in {pixels} pixels, which '
            what += f'{names.source} does not name'
            remedy = f'add it there, or give --ignore {",".join(map(str, color_of(unknown[0])))}'
            raise SetupError(Problem(str(holder.path), what, remedy))
        return _named('colours', {**table, **known}, True, names, {})
    _refuse_blends(contents, present)
    table.update(_in_order(present, before))
    if names is not None and len(set(table.values()) - {IGNORE_INDEX}) != len(names.names):
        some = ', '.join(str(color_of(value)) for value in present[:8])
        what = (
            f'the masks have {len(present)} colours ({some}{", ..." if present[8:] else ""}), but '
        )
        what += f'{names.source} names {len(names.names)} classes'
        remedy = 'give a file of lines such as "road 128 64 128" as --classes, or --ignore R,G,B'
        raise SetupError(Problem(str(_colored_one(contents)), what, remedy))
    shown = {index: color_of(value) for value, index in table.items() if index != IGNORE_INDEX}
    return _named('colours', table, True, names, shown)


def _refuse_mixture(contents: Sequence[Content]) -> None:
    """Refuse masks of numbers among masks of colours; black, white and common greys are both."""
    greys = {0, 0xFFFFFF}
    for content in contents:
        if content.colored or content.palette:
            greys |= {int(value) for value in _values(content, True)}
    for content in contents:
        if not greys >= {int(value) for value in _values(content, True)}:
            what = f'the mask holds the numbers {_some(content.values.tolist())}, but '
            what += f'{_colored_one(contents)} holds colours'
            raise SetupError(Problem(str(content.path), what, 'save all masks in one way'))


def _refuse_blends(contents: Sequence[Content], present: Sequence[int]) -> None:
    """Refuse the colours of a photo, of a JPEG or of anti-aliased borders, which are no classes."""
    pixels = dict.fromkeys(present, 0)
    for content in contents:
        for value, count in zip(_values(content, True), content.pixels):
            if int(value) in pixels:
                pixels[int(value)] += int(count)
    total = sum(pixels.values())
    rare = [value for value in present if pixels[value] < 5e-4 * total]
    if len(present) <= _MOST and len(rare) <= max(3, len(present) // 2):
        return
    counts = [len(set(_values(content, True).tolist()) & set(present)) for content in contents]
    worst = contents[int(np.argmax(counts))]
    what = f'the mask has {max(counts)} colours, {len(rare)} of the {len(present)} in all masks in '
    what += 'fewer than 0.05 % of the pixels'
    remedy = (
        'export masks as PNG without anti-aliasing, not as JPEG, or give the class colours in a '
    )
    remedy += 'file (--classes) if there are so many classes'
    raise SetupError(Problem(str(worst.path), what, remedy))


def _in_order(values: Sequence[int], before: Mapping[int, int] | None) -> dict[int, int]:
    """Give each number a class: the one that it had, then the next."""
    table = {v: c for v, c in (before or {}).items() if c != IGNORE_INDEX}
    for value in values:
        if value not in table:
            table[value] = max(table.values(), default=-1) + 1
    return table


def _of_ids(
    contents: Sequence[Content],
    names: ClassNames | None,
    kind: str | None,
    ignored: Collection[int] | None,
    before: Mapping[int, int] | None,
    shown: Mapping[int, Color],
) -> Encoding:
    values = _all_values(contents, False)
    if kind == 'instances':
        table = {value: int(value > 0) for value in values}
        return _named('objects of one class', {0: 0, **table}, False, names, {})
    if kind == 'class-instances':
        table = {value: value // 1000 if value >= 1000 else value for value in values}
        classes = _in_order(sorted(set(table.values()) - set(ignored or ())), None)
        table = {value: classes.get(id, IGNORE_INDEX) for value, id in table.items()}
        return _named('class * 1000 + instance', table, False, names, {})
    void = {IGNORE_INDEX} if ignored is None else set(ignored)
    present = [value for value in values if value not in void]
    count = len(names.names) if names else None
    if kind is None and ignored is None and before is None and values == [0, 255]:
        if count not in (None, 2):
            what = f'the masks hold 0 and 255 alone, but {names.source} names {count} classes'
            remedy = 'name two, what 0 means first, or say by --ignore what is no class'
            raise SetupError(Problem(str(contents[0].path), what, remedy))
        return _named('0 and 255', {0: 0, 255: 1}, False, names, {})
    if not present:
        what = f'the masks hold {_some(values)} alone, which is ignored'
        raise SetupError(
            Problem(str(contents[0].path), what, 'label pixels, or give --ignore none')
        )
    holder = _holder(contents, present[-1], False)
    if kind is None and before is None and (count is None or present[-1] >= count):
        _refuse_instances(contents, present)
    table = {value: IGNORE_INDEX for value in values if value in void}
    same = before is not None and all(value == index for value, index in before.items())
    numbered = kind == 'ids' or same
    dense = present[0] == 0 and present[-1] + 1 <= 2 * len(present) + 2
    if kind != 'values' and present[-1] < IGNORE_INDEX:
        fits = present[-1] < count if count else numbered or (before is None and dense)
        if fits:
            table.update({value: value for value in range(count or present[-1] + 1)} | table)
            what = 'palette of class ids' if shown else 'class ids'
            return _named(what, table, False, names, shown)
    if kind == 'ids':
        what = f'the mask holds the id {present[-1]}'
        what += f', but {count} classes have 0 to {count - 1}' if count else ', and ids end at 254'
        remedy = 'name all classes (--classes), or give --encoding values if gaps mean nothing'
        raise SetupError(Problem(str(holder.path), what, remedy))
    if ignored is None and kind is None and IGNORE_INDEX in values and before is None:
        what = (
            f'the masks hold {_some(values)}, which are no class ids, so 255 may be a class or not'
        )
        remedy = 'give --ignore 255, or --ignore none if it is a class'
        raise SetupError(Problem(str(_holder(contents, 255, False).path), what, remedy))
    table.update(_in_order(present, before))
    classes = len(set(table.values()) - {IGNORE_INDEX})
    if count not in (None, classes):
        what = f'the masks hold {_some(present)}, but {names.source} names {count} classes'
        remedy = 'name each number, background too'
        if present[0] == 0 and classes == count + 1:
            remedy += ', or give --ignore 0 if 0 means "no class"'
        raise SetupError(Problem(str(holder.path), what, remedy))
    if classes > IGNORE_INDEX or (count is None and classes > _MOST):
        what = f'the masks hold {classes} different numbers, up to {present[-1]}'
        remedy = (
            'give the class names (--classes) if they are classes, --encoding instances if each '
        )
        remedy += 'is an object'
        raise SetupError(Problem(str(holder.path), what, remedy))
    palette = {table[value]: color for value, color in shown.items() if value in present}
    return _named(f'the numbers {_some(present)}', table, False, names, palette)


def _refuse_instances(contents: Sequence[Content], present: Sequence[int]) -> None:
    """Ask about numbers that count objects rather than name classes."""
    if present[-1] >= 1000:
        holder = _holder(contents, present[-1], False)
        what = f'the mask holds the id {present[-1]}, as masks of instances do'
        remedy = (
            'give --encoding class-instances if it means class {} and object {}, or --encoding '
        )
        remedy += 'instances if each number is an object of one class'
        remedy = remedy.format(*divmod(present[-1], 1000))
        raise SetupError(Problem(str(holder.path), what, remedy))
    tops = [int(content.values[-1]) for content in contents]
    counted = all(
        np.array_equal(content.values[content.values > 0], np.arange(1, top + 1))
        for content, top in zip(contents, tops)
    )
    if not counted or max(tops) < _FEW or len(set(tops)) < min(3, len(tops)):
        return
    holder = contents[int(np.argmax(tops))]
    ids = read_codes(holder.path).map
    if all(ndimage.label(ids == value)[1] == 1 for value in range(1, max(tops) + 1)):
        what = f'the mask holds 1 to {max(tops)}, each in one piece, as masks of instances do'
        remedy = (
            'give --encoding instances if each number is an object of one class, or --encoding '
        )
        remedy += 'ids if each is a class'
        raise SetupError(Problem(str(holder.path), what, remedy))


def _some(values: Sequence[int]) -> str:
    text = ', '.join(map(str, values[:8]))
    return f'{text}, ... {values[-1]}' if len(values) > 8 else text


def _named(
    what: str,
    table: dict[int, int],
    colored: bool,
    names: ClassNames | None,
    shown: Mapping[int, Color],
) -> Encoding:
    """Give the classes of a table names and colours."""
    count = max([index for index in table.values() if index != IGNORE_INDEX], default=0) + 1
    labels = names.names if names else [f'class_{index}' for index in range(count)]
    if len(labels) < count:
        raise SetupError(
            Problem(
                names.source,
                f'it names {len(labels)} classes, but the masks hold {count}',
                'name each class, background too',
            )
        )
    if names and names.colors:
        return Encoding(what, table, colored, labels, names.colors)
    made = distinct_colors(len(labels) + len(shown))
    spare = iter(color for color in made if color not in shown.values())
    palette = [shown.get(index) or next(spare) for index in range(len(labels))]
    return Encoding(what, table, colored, labels, palette)
