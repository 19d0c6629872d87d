"""Which photo of a folder has which mask of another."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ..datasets.files import IMAGE_SUFFIXES, walk_files
from ..problem import Problem, SetupError

# Of the files that Cityscapes has for one photo, the first is taken.
_CITYSCAPES = ('_gtFine_labelTrainIds', '_gtFine_labelIds')
_CITYSCAPES_OTHERS = ('_gtFine_color', '_gtFine_instanceIds')
# What photos have at the end of their names, and their masks have not.
_PHOTO_ENDING = re.compile(r'[_\-. ](leftimg8bit|image|img|photo|rgb|sat)$', re.IGNORECASE)
# What masks have before or after the name of their photo: a sign and a word, not a number alone.
_ENDING = re.compile(r'[_\-. ]+(?=.*[a-z]).+', re.IGNORECASE)
_BEGINNING = re.compile(r'(mask|masks|label|labels|gt|seg|ann)[_\-. ]+', re.IGNORECASE)


@dataclass(frozen=True)
class Pairs:
    """Photos by name, and the masks of some of them.

    Attributes:
        images (dict[str, Path]): Photos by name, the path below the folder: without suffix if all
            photos have the same, else with it.
        suffix (str): The suffix of all photos, or ``''``.
        masks (dict[str, Path]): Masks by the name of their photo.
        problems (list[Problem]): Masks that are left out.
    """

    images: dict[str, Path]
    suffix: str
    masks: dict[str, Path] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def find_photos(folder: Path, without: Iterable[Path] = ()) -> list[Path]:
    """List the photos of a folder and of its sub-folders.

    Args:
        folder (Path): The folder.
        without (Iterable[Path]): Files and folders below it that are none, such as the masks'.

    Raises:
        FileNotFoundError: If the folder is not there, or holds no photo.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder}: there is no such folder; give that of the photos.')
    without = {path.resolve() for path in without} - {folder.resolve()}
    photos = [
        path
        for path in walk_files(folder)
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not without & {path.resolve(), *path.resolve().parents}
    ]
    if not photos:
        raise FileNotFoundError(
            f'{folder}: there is no photo in it ({", ".join(IMAGE_SUFFIXES)}); give the folder of the '
            'photos.'
        )
    return photos


def find_masks(folder: Path, ending: str | None = None) -> list[Path]:
    """List the files of a folder that may be masks: images, and polygons in JSON.

    Args:
        folder (Path): The folder.
        ending (str, optional): End of the file names of masks, e.g. ``'_mask.png'``. Defaults to
            None: any.

    Raises:
        FileNotFoundError: If the folder is not there, or holds no such file.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder}: there is no such folder; give that of the masks.')
    found = [
        path
        for path in walk_files(folder)
        if path.suffix.lower() in (*IMAGE_SUFFIXES, '.json')
        and (ending is None or path.name.lower().endswith(ending.lower()))
        and not path.stem.endswith(_CITYSCAPES_OTHERS)
    ]
    if not found:
        wanted = f'no file that ends with {ending}' if ending else 'no mask (image or JSON)'
        raise FileNotFoundError(f'{folder}: there is {wanted} in it; give the folder of the masks.')
    return found


def pair(
    photos: Sequence[Path],
    folder: Path,
    masks: Sequence[Path],
    mask_folder: Path,
    may_be: Callable[[Path, Path], bool] = lambda photo, mask: True,
) -> Pairs:
    """Find the mask of each photo that has one, by its name.

    A mask has the name of its photo, in any case, or that name and a word before or after it
    (``a_mask.png``, ``mask_a.png``, ``a.jpg.png``). Where several photos have the name, the
    sub-folders decide.

    Args:
        photos (Sequence[Path]): The photos.
        folder (Path): Their folder.
        masks (Sequence[Path]): Files that may be masks.
        mask_folder (Path): Their folder.
        may_be (Callable[[Path, Path], bool]): Whether a photo may have a mask, whatever their names.

    Returns:
        Pairs: Photos by name, and their masks.
    """
    photos = _without_masks(photos, masks)
    suffixes = {path.suffix for path in photos}
    suffix = suffixes.pop() if len(suffixes) == 1 else ''
    images = {_name(path, folder, suffix): path for path in photos}
    found = Pairs(images, suffix)
    own = {path.resolve() for path in photos}
    left = [path for path in masks if path.resolve() not in own]
    owners: dict[str, list[Path]] = defaultdict(list)
    for rule in (_exact, _with_a_word, _of_stripped_photos):
        keys = rule(images)
        rest = []
        for mask in left:
            names = [name for name in keys(mask) if may_be(images[name], mask)]
            names = _nearest(names, mask, mask_folder, images, folder)
            if len(names) == 1:
                owners[names[0]].append(mask)
            elif names:
                others = ', '.join(str(images[name]) for name in names[:3])
                what = f'{len(names)} photos may be meant ({others})'
                found.problems.append(
                    Problem(str(mask), what, 'put it into the sub-folder that its photo is in')
                )
            else:
                rest.append(mask)
        left = rest
    for name, candidates in sorted(owners.items()):
        chosen = _preferred(candidates)
        if chosen is None:
            some = ', '.join(path.name for path in candidates[:3])
            what = f'there are {len(candidates)} masks of it ({some})'
            remedy = 'keep one, or give the end of the right ones as --mask-suffix'
            found.problems.append(Problem(str(images[name]), what, remedy))
        else:
            found.masks[name] = chosen
    for path in left:
        if path.suffix.lower() != '.json':
            what, remedy = (
                'no photo has this name',
                'name the mask like its photo, or add the photo',
            )
            found.problems.append(Problem(str(path), what, remedy))
    return found


def require_masks(pairs: Pairs, folder: Path, masks: Sequence[Path], mask_folder: Path) -> None:
    """Refuse folders in which no photo has a mask.

    Args:
        pairs (Pairs): What was found.
        folder (Path): The folder of the photos.
        masks (Sequence[Path]): Files that may be masks.
        mask_folder (Path): Their folder.

    Raises:
        SetupError: If there is no pair.
    """
    if pairs.masks:
        return
    photo = next(iter(pairs.images.values()))
    what = f'none of its {len(pairs.images)} photos has a mask in {mask_folder}'
    if masks:
        what += f' (the first photo is {photo.name}, the first mask {masks[0].name})'
    raise SetupError(Problem(str(folder), what, 'give masks the names of their photos'))


def _without_masks(photos: Sequence[Path], masks: Sequence[Path]) -> list[Path]:
    """Take masks out of the photos, where both lie in one folder."""
    candidates = {path.resolve() for path in masks}
    mixed = [path for path in photos if path.resolve() in candidates]
    if not mixed:
        return list(photos)
    by_stem = defaultdict(list)
    for path in photos:
        by_stem[path.with_suffix('').as_posix().lower()].append(path)
    stems = set(by_stem)
    out = set()
    for path in mixed:
        key = path.with_suffix('').as_posix().lower()
        others = [each for each in by_stem[key] if each != path]
        if path.suffix.lower() == '.png' and any(each.suffix.lower() != '.png' for each in others):
            out.add(path)  # a.png beside a.jpg
        stem = PurePosixPath(key).name
        parent = key[: len(key) - len(stem)]
        cuts = {stem[:at] for at in range(1, len(stem)) if _ENDING.fullmatch(stem[at:])}
        if any(parent + cut in stems for cut in cuts) or (
            (begun := _BEGINNING.match(stem)) and parent + stem[begun.end() :] in stems
        ):
            out.add(path)  # a_mask.png beside a.png
    return [path for path in photos if path not in out]


def _name(path: Path, folder: Path, suffix: str) -> str:
    name = path.relative_to(folder).as_posix()
    return name[: -len(suffix)] if suffix else name


def _stem(name: str) -> str:
    """Return the last part of a name in lower case, without the suffix of an image."""
    stem = PurePosixPath(name).name.lower()
    end = PurePosixPath(stem).suffix
    return stem[: -len(end)] if end in IMAGE_SUFFIXES else stem


def _by_stem(images: Mapping[str, Path]) -> dict[str, list[str]]:
    found = defaultdict(list)
    for name, path in images.items():
        found[path.stem.lower()].append(name)
    return found


def _exact(images: Mapping[str, Path]):
    """Masks that are called like their photo; ``a.jpg.png`` is too."""
    known = _by_stem(images)
    return lambda mask: known.get(mask.stem.lower()) or known.get(_stem(mask.stem), [])


def _with_a_word(images: Mapping[str, Path]):
    """Masks that have a word before or after the name of their photo."""
    return _searcher(_by_stem(images))


def _of_stripped_photos(images: Mapping[str, Path]):
    """The same where the photo has a word too, such as ``_leftImg8bit``."""
    known = defaultdict(list)
    for stem, names in _by_stem(images).items():
        known[_PHOTO_ENDING.sub('', stem)] += names
    return _searcher(known)


def _searcher(known: Mapping[str, list[str]]):
    def search(mask: Path) -> list[str]:
        stem = _stem(mask.stem)
        begun = _BEGINNING.match(stem)
        stems = [stem, *([stem[begun.end() :]] if begun else [])]
        for each in stems:
            if each in known:
                return known[each]
        # the longest name that ends before a sign
        for each in stems:
            for cut in range(len(each) - 1, 0, -1):
                if each[:cut] in known and _ENDING.fullmatch(each[cut:]):
                    return known[each[:cut]]
        return []

    return search


def _nearest(
    names: Sequence[str], mask: Path, mask_folder: Path, images: Mapping[str, Path], folder: Path
) -> list[str]:
    """Keep the photos whose sub-folders agree best with those of the mask."""
    if len(names) < 2:
        return list(names)
    own = [part.lower() for part in mask.relative_to(mask_folder).parts[:-1]]

    def agreement(name: str) -> tuple[int, int]:
        others = [part.lower() for part in images[name].relative_to(folder).parts[:-1]]
        shared = sum(part in others for part in own)
        return (own == others, shared)

    best = max(agreement(name) for name in names)
    return [name for name in names if agreement(name) == best]


def _preferred(candidates: Sequence[Path]) -> Path | None:
    """Choose the mask of a photo: an image before polygons; None where it is not clear."""
    for ending in _CITYSCAPES:
        some = [path for path in candidates if path.stem.endswith(ending)]
        if len(some) == 1:
            return some[0]
    some = [path for path in candidates if path.suffix.lower() != '.json'] or list(candidates)
    return some[0] if len(some) == 1 else None
