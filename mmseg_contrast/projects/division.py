"""Dividing labelled images into training and validation, so that neither knows the other's."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np

from ..datasets.splits import random_order
from ..problem import Problem, SetupError

#: Share of the labelled images that is for validation.
SHARE = 0.2
# Neighbours are frames of a video if they differ by less than this share of what two photos do. Frames of
# CamVid, one a second, differ by 0.42; photos of MSRC-21 that are numbered by topic by 0.83.
_ALIKE = 0.6
# Words before the number of a frame: `clip3_0012` is of `clip3_`.
_FRAME = re.compile(r'(.*?)(\d+)(\D*)')


def look_alike(thumbnails: Mapping[str, np.ndarray]) -> bool:
    """Tell whether photos with neighbouring numbers in their names look alike, as frames do.

    Args:
        thumbnails (Mapping[str, np.ndarray]): Brightness of each photo by its name, of equal shapes.

    Returns:
        bool: Whether they differ by less than a share of what any two photos differ by.
    """
    numbered = defaultdict(list)
    for name in thumbnails:
        match = _FRAME.fullmatch(PurePosixPath(name).name)
        if match:
            numbered[_frame_of(name)].append((int(match[2]), name))
    near = [
        (one, two)
        for frames in map(sorted, numbered.values())
        for (_, one), (_, two) in itertools.pairwise(frames)
    ]
    if not near:
        return False
    names = [*thumbnails]
    turned = [names[index] for index in random_order(len(names), 0)]
    far = [*zip(names, turned)] + [*itertools.pairwise(turned)]

    def difference(pairs: Sequence[tuple[str, str]]) -> float:
        values = [np.abs(thumbnails[a] - thumbnails[b]).mean() for a, b in pairs if a != b]
        return float(np.median(values)) if values else 0.0

    return difference(near) < _ALIKE * difference(far)


def group(
    names: Sequence[str], how: str = 'auto', alike: bool = True
) -> tuple[dict[str, str], str]:
    """Find images that belong together, such as the frames of a video.

    Args:
        names (Sequence[str]): Names of the labelled images.
        how (str): ``'folder'``: those of a sub-folder; ``'frames'``: those whose names differ in the
            last number alone; ``'none'``; ``'auto'``: sub-folders if there are several, else frames if
            there are several videos of them; or a regular expression, whose first group (or whole
            match) is what they have in common.
        alike (bool): Whether neighbours look alike, without which ``'auto'`` sees no videos.

    Returns:
        tuple[dict[str, str], str]: Group of each image, and how they were found, in words.

    Raises:
        ValueError: If the expression is none, or fits no name.
    """
    folders = {name: str(PurePosixPath(name).parent) for name in names}
    frames = {name: _frame_of(name) for name in names}
    if how == 'auto':
        how = 'none'
        if len(set(folders.values())) > 1:
            how = 'folder'
        elif alike and _repeated(frames.values()) > 1:
            how = 'frames'
    if how == 'none':
        return {name: name for name in names}, 'each image by itself'
    if how in ('folder', 'frames'):
        groups = folders if how == 'folder' else frames
        word = 'sub-folders' if how == 'folder' else 'names up to the last number'
        return groups, f'{len(set(groups.values()))} groups: {word}'
    try:
        pattern = re.compile(how)
    except re.error as error:
        raise ValueError(f'--group {how}: is no regular expression ({error}).') from error
    found = {name: pattern.search(name) for name in names}
    if not any(found.values()):
        raise ValueError(
            f'--group {how}: fits none of the names, such as {names[0]}; give folder, frames, none or '
            'an expression that fits.'
        )
    groups = {
        name: name if match is None else str(match[1] if pattern.groups else match[0])
        for name, match in found.items()
    }
    return groups, f'{len(set(groups.values()))} groups: --group {how}'


def group_like(name: str, groups: Mapping[str, str], how: str) -> str | None:
    """Tell which group of labelled images another image belongs to.

    Args:
        name (str): Its name.
        groups (Mapping[str, str]): Groups of the labelled images.
        how (str): How they were found, as of :func:`group`.

    Returns:
        str | None: The group; None if none of them.
    """
    folder = str(PurePosixPath(name).parent)
    known = set(groups.values())
    if how not in ('auto', 'folder', 'frames', 'none'):
        match = re.search(how, name)
        key = None if match is None else str(match[1] if match.re.groups else match[0])
        return key if key in known else None
    if how == 'none' or all(key == each for each, key in groups.items()):
        return None
    by_folder = all(str(PurePosixPath(each).parent) == key for each, key in groups.items())
    key = folder if by_folder else _frame_of(name)
    return key if key in known else None


def _frame_of(name: str) -> str:
    """Return a name without its last number; the name itself if nothing is left."""
    path = PurePosixPath(name)
    match = _FRAME.fullmatch(path.name)
    if match is None or not match[1]:
        return name
    return str(path.parent / f'{match[1]}#{match[3]}')


def _repeated(keys: Collection[str]) -> int:
    counts = defaultdict(int)
    for key in keys:
        counts[key] += 1
    return sum(count > 1 for count in counts.values())


def divide(
    names: Sequence[str],
    groups: Mapping[str, str],
    pixels: np.ndarray,
    seed: int = 0,
    share: float = SHARE,
    before: tuple[Collection[str], Collection[str]] = ((), ()),
) -> tuple[list[str], list[str]]:
    """Choose the images for validation.

    Groups stay whole. A group is chosen only if training keeps each class that it shows. The first
    show classes that validation lacks, from the rarest on; others follow at random up to the share.

    Args:
        names (Sequence[str]): Names of the labelled images.
        groups (Mapping[str, str]): Group of each.
        pixels (np.ndarray): Pixels of each class in each image, shape (N, C).
        seed (int): Seed of the draw.
        share (float): Share of the images that is for validation, in (0, 1).
        before (tuple[Collection[str], Collection[str]]): Names for training and for validation of an
            earlier time. They stay where they are, and their groups too.

    Returns:
        tuple[list[str], list[str]]: Names for training and for validation.

    Raises:
        SetupError: If nothing can be taken for validation.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for index in random_order(len(names), seed):
        members[groups[names[index]]].append(int(index))
    present = {key: (pixels[rows] > 0).any(axis=0) for key, rows in members.items()}
    old = [{groups[name] for name in side if name in groups} for side in before]
    chosen = [key for key in members if key in old[1]]
    free = [key for key in members if key not in old[0] | old[1]]
    wanted = max(1, round(share * len(names)))

    def size(keys: Collection[str]) -> int:
        return sum(len(members[key]) for key in keys)

    def shown(keys: Collection[str]) -> np.ndarray:
        return np.any([present[key] for key in keys], axis=0) if keys else present_nowhere

    def can_go(key: str) -> bool:
        rest = [each for each in members if each not in chosen and each != key]
        return bool(rest) and not (present[key] & ~shown(rest)).any()

    present_nowhere = np.zeros(pixels.shape[1], bool)
    for index in np.argsort([*map(sum, zip(*present.values()))], kind='stable'):
        if shown(chosen)[index]:
            continue
        some = [key for key in free if key not in chosen and present[key][index] and can_go(key)]
        some = [key for key in some if size([*chosen, key]) <= max(wanted, len(names) // 2)]
        if some:
            lacking = ~shown(chosen)
            chosen.append(max(some, key=lambda key: ((present[key] & lacking).sum(), -size([key]))))
    while size(chosen) < wanted:
        some = [key for key in free if key not in chosen and can_go(key)]
        fitting = [key for key in some if size([*chosen, key]) <= wanted]
        if fitting:
            chosen.append(fitting[0])
        elif some and not chosen:
            chosen.append(min(some, key=lambda key: size([key])))
        else:
            break
    if not chosen:
        raise SetupError(_why_none(names, members))
    val = {index for key in chosen for index in members[key]}
    sides = [
        [name for index, name in enumerate(names) if (index in val) == is_val]
        for is_val in (False, True)
    ]
    return sides[0], sides[1]


def _why_none(names: Sequence[str], members: Mapping[str, Sequence[int]]) -> Problem:
    """Say why no image can be taken for validation."""
    if len(names) == 1:
        what = f'{names[0]} is the only image with a mask, and validation needs another'
        return Problem('validation', what, 'label one more image, or give a folder as --val')
    if len(members) == 1:
        what = f'all {len(names)} labelled images are one group'
        remedy = 'give a folder as --val, or --group none if neighbours may be on both sides'
        return Problem('validation', what, remedy)
    keys = [*members]
    kind = 'images' if len(members) == len(names) else 'groups of images'
    what = (
        f'each of the {len(members)} {kind} ({", ".join(keys[:3])}{", ..." if keys[3:] else ""}) '
    )
    what += 'shows a class that no other shows, so training would lose it'
    remedy = 'label more images, or give a folder as --val'
    if len(members) < len(names):
        remedy += ', or --group none if they are no videos'
    return Problem('validation', what, remedy)
