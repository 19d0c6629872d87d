"""Finding what is wrong with a data set before a training run does.

Each check is a function that returns a list of :class:`Problem`; an empty list is good news.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from PIL import Image, UnidentifiedImageError

from .files import IGNORE_INDEX, classes_of_ids, sha256_of


class SetupError(ValueError):
    """Data, model or checkpoint that a run cannot start with: one sentence for the user."""


@dataclass(frozen=True)
class Problem:
    """Something that has to be mended.

    Attributes:
        place (str): Where: a file, a list, or a part of the data set.
        what (str): What is wrong there.
        remedy (str): What to do about it.
    """

    place: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f'{self.place}: {self.what}; {self.remedy}.'


@dataclass(frozen=True)
class Source:
    """Images of one purpose, with or without masks.

    Attributes:
        place (str): What to call it in messages, e.g. ``'labelled images'``.
        images (Sequence[str]): Paths of the images.
        masks (Sequence[str] | None): Paths of their masks, None for unlabelled images.
        classes (Sequence[str]): Names of the classes.
        reduce_zero_label (bool): Whether id 0 is ignored and all others go down by one.
        label_map (Mapping[int, int] | None): Class of each stored id, after that.
    """

    place: str
    images: Sequence[str]
    masks: Sequence[str] | None = None
    classes: Sequence[str] = ()
    reduce_zero_label: bool = False
    label_map: Mapping[int, int] | None = None

    def spread(self, limit: int) -> 'Source':
        """Take at most ``limit`` of the images, evenly spread."""
        if len(self.images) <= limit:
            return self
        picks = np.linspace(0, len(self.images) - 1, limit).round().astype(int)
        images = [self.images[pick] for pick in picks]
        masks = None if self.masks is None else [self.masks[pick] for pick in picks]
        return Source(
            self.place, images, masks, self.classes, self.reduce_zero_label, self.label_map
        )


@dataclass
class Scan:
    """What the files of a source hold.

    Attributes:
        stored (np.ndarray): Pixels of each stored id, one row for each readable mask, int64,
            shape (N, 256).
        sizes (list[tuple[int, int]]): Height and width of each readable image.
        problems (list[Problem]): Files that cannot be used.
    """

    stored: np.ndarray
    sizes: list[tuple[int, int]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def source_of(dataset: BaseSegDataset, place: str | None = None) -> Source:
    """Describe a data set that is built.

    Args:
        dataset (BaseSegDataset): The data set.
        place (str, optional): What to call it in messages. Defaults to None: labelled or
            unlabelled images, with the list.

    Returns:
        Source: Its files, classes and label map.
    """
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    has_masks = bool(infos) and all('seg_map_path' in info for info in infos)
    if place is None:
        place = 'labelled images' if has_masks else 'unlabelled images'
        place += f' ({dataset.ann_file or dataset.data_prefix["img_path"]})'
    return Source(
        place,
        [info['img_path'] for info in infos],
        [info['seg_map_path'] for info in infos] if has_masks else None,
        dataset.metainfo.get('classes') or (),
        dataset.reduce_zero_label,
        infos[0].get('label_map') if infos else None,
    )


def require_images(cfg: Mapping[str, Any], place: str) -> None:
    """Refuse a data set without any image, over which MMSeg stumbles with words about arrays.

    Args:
        cfg (Mapping[str, Any]): Config of the data set.
        place (str): What to call it in messages.

    Raises:
        SetupError: Its folder or list holds no image.
    """
    kind = DATASETS.get(cfg['type']) if isinstance(cfg.get('type'), str) else cfg.get('type')
    if not (isinstance(kind, type) and issubclass(kind, BaseSegDataset)):
        return
    dataset = DATASETS.build({**cfg, 'pipeline': [], 'lazy_init': True})
    if not dataset.load_data_list():
        what = f'there is no {dataset.img_suffix} image in {dataset.data_prefix["img_path"]}'
        if dataset.ann_file:
            what = f'the list {dataset.ann_file} is empty'
        problem = Problem(f'{place} ({kind.__name__})', what, 'correct folder, list or img_suffix')
        raise SetupError(str(problem))


def find_missing(source: Source) -> list[Problem]:
    """Look for images and masks that are not on disk.

    Args:
        source (Source): What to look at.

    Returns:
        list[Problem]: One for all images, one for all masks.
    """
    problems = []
    if not source.images:
        problems.append(
            Problem(source.place, 'there is no image', 'correct the folder, the list or the suffix')
        )
    for kind, paths in (('image', source.images), ('mask', source.masks or ())):
        missing = [path for path in paths if not Path(path).is_file()]
        if missing:
            what = f'{len(missing)} of {len(paths)} {kind}s are missing, the first is {missing[0]}'
            remedy = f'add the {kind}s, correct folder and suffix, or take the names off the list'
            problems.append(Problem(source.place, what, remedy))
    return problems


def scan(source: Source, pairs: Iterable[tuple[str, str | None]] | None = None) -> Scan:
    """Open images and masks; those that are missing are passed over.

    Args:
        source (Source): What to look at.
        pairs (Iterable[tuple[str, str | None]], optional): Images and masks of the source, for a
            progress bar around them. Defaults to None: those of the source.

    Returns:
        Scan: Their content.
    """
    result = Scan(np.zeros((0, 256), np.int64))
    rows = []
    for image_path, mask_path in pairs if pairs is not None else pairs_of(source):
        image = _open(image_path, result.problems)
        if image is not None:
            result.sizes.append(image.shape[:2])
        if mask_path is None:
            continue
        mask = _open(mask_path, result.problems)
        if mask is None:
            continue
        if mask.ndim != 2 or mask.dtype not in (np.uint8, bool):
            colors = len(np.unique(mask.reshape(-1, *mask.shape[2:]), axis=0))
            what = f'the mask is no image of 8-bit class ids ({colors} different colours)'
            remedy = 'convert each colour to its class id and save one channel of 8 bits'
            result.problems.append(Problem(mask_path, what, remedy))
            continue
        if image is not None and image.shape[:2] != mask.shape:
            sizes = (f'{w} x {h}' for h, w in (image.shape[:2], mask.shape))
            what = 'the image is {} and its mask {}'.format(*sizes)
            remedy = 'resize the mask by nearest neighbour, or pair the right files'
            result.problems.append(Problem(mask_path, what, remedy))
        rows.append(np.bincount(mask.ravel(), minlength=256))
    if rows:
        result.stored = np.array(rows, np.int64)
    return result


def pairs_of(source: Source) -> list[tuple[str, str | None]]:
    """Pair the images of a source with their masks, or with None."""
    masks = source.masks if source.masks is not None else [None] * len(source.images)
    return list(zip(source.images, masks))


def _open(path: str, problems: list[Problem]) -> np.ndarray | None:
    """Decode an image file, or note why it cannot be decoded."""
    try:
        with Image.open(path) as image:
            return np.asarray(image)
    except FileNotFoundError:
        return None  # told by `find_missing`
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        reason = 'no image' if isinstance(error, UnidentifiedImageError) else str(error)
        problems.append(Problem(path, f'cannot be read ({reason})', 'replace the file'))
        return None


def to_classes(stored: np.ndarray, source: Source) -> np.ndarray:
    """Turn counts of stored ids into counts of what training sees, as ``LoadAnnotations`` does.

    Args:
        stored (np.ndarray): Pixels of each stored id, shape (N, 256).
        source (Source): Its ``reduce_zero_label`` and ``label_map`` count.

    Returns:
        np.ndarray: Pixels of each id, shape (N, 256).
    """
    ids = classes_of_ids(source.reduce_zero_label, source.label_map)
    counts = np.zeros_like(stored)
    np.add.at(counts, (slice(None), ids), stored)
    return counts


def check_ids(stored: np.ndarray, source: Source) -> list[Problem]:
    """Compare mask values with the classes.

    Args:
        stored (np.ndarray): Pixels of each stored id, shape (N, 256).
        source (Source): Classes, ``reduce_zero_label`` and ``label_map``.

    Returns:
        list[Problem]: At most one, with the likeliest cause.
    """
    total = stored.sum(axis=0)
    present = [int(value) for value in np.flatnonzero(total)]
    seen = np.flatnonzero(to_classes(stored, source).sum(axis=0)[:IGNORE_INDEX])
    number = len(source.classes)
    highest = int(seen.max(initial=-1))
    values = _ranges(present)
    if present == [0, IGNORE_INDEX] and number > 1:
        what = f'the masks hold 0 and 255 alone, and 255 is ignored, so {number - 1} of '
        what += f'{number} classes never appear'
        remedy = 'divide the masks by 255, so that they hold 0 and 1'
    elif highest >= number and highest == number and not source.reduce_zero_label:
        what = f'the masks hold the ids {values}, one more than {number} classes have'
        remedy = 'set reduce_zero_label=True if id 0 means "no class", or add the missing class'
    elif highest >= number:
        what = f'the masks hold the ids {values}, but {number} classes have 0 to {number - 1}'
        if source.reduce_zero_label:
            what += ' after reduce_zero_label'
        remedy = 'correct the classes, or convert the masks to class ids (255 is ignored)'
    elif len(seen) == 0 and len(stored):
        what = 'each pixel of the masks is ignored'
        remedy = 'check that the masks hold class ids, and reduce_zero_label'
    elif source.reduce_zero_label and total[0] and number > 1 and highest == number - 2:
        what = 'reduce_zero_label takes id 0 away, and then the last class never appears'
        remedy = 'set reduce_zero_label=False if id 0 is a class'
    else:
        return []
    return [Problem(source.place, what, remedy)]


def _ranges(values: Sequence[int]) -> str:
    """Write sorted numbers briefly: ``0-3, 7``."""
    parts: list[list[int]] = []
    for value in values:
        if parts and value == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], value]
        else:
            parts.append([value])
    return ', '.join('-'.join(map(str, part)) for part in parts)


def check_absent(stored: np.ndarray, source: Source) -> list[Problem]:
    """Look for classes that no mask shows.

    Args:
        stored (np.ndarray): Pixels of each stored id, shape (N, 256).
        source (Source): Its classes.

    Returns:
        list[Problem]: At most one.
    """
    pixels = to_classes(stored, source).sum(axis=0)
    absent = [name for name, count in zip(source.classes, pixels) if count == 0]
    if not absent:
        return []
    what = f'{len(absent)} of {len(source.classes)} classes have no pixel: {", ".join(absent)}'
    remedy = 'label images that show them (tools/misc/split_dataset.py --stratified chooses such)'
    return [Problem(source.place, what, remedy)]


def check_overlap(first: Source, second: Source, remedy: str) -> list[Problem]:
    """Look for images that are in two sources, by path or by content.

    Args:
        first (Source): One source.
        second (Source): The other.
        remedy (str): What to do about it.

    Returns:
        list[Problem]: At most one.
    """
    paths = {_real(path) for path in second.images}
    shared = [path for path in first.images if _real(path) in paths]
    if not shared:
        by_size: dict[int, list[Path]] = {}
        for path in paths:
            if path.is_file():
                by_size.setdefault(path.stat().st_size, []).append(path)
        hashes: dict[Path, str] = {}
        for path in map(Path, first.images):
            # Only files of equal size can be equal, so hardly any file is read.
            twins = by_size.get(path.stat().st_size, []) if path.is_file() else []
            for twin in twins:
                hashes[twin] = hashes.get(twin) or sha256_of(twin)
            if twins and sha256_of(path) in {hashes[twin] for twin in twins}:
                shared.append(str(path))
    if not shared:
        return []
    what = f'{len(shared)} images are also {second.place}, the first is {shared[0]}'
    return [Problem(first.place, what, remedy)]


def _real(path: str | PathLike) -> Path:
    """Follow links, so that one file has one path."""
    return Path(path).resolve()


def check_crop(
    sizes: Sequence[tuple[int, int]], crop: tuple[int, int], place: str
) -> list[Problem]:
    """Compare a crop with the images that it is cut from.

    ``RandomCrop`` does not enlarge an image; what is missing is padded by the data preprocessor.

    Args:
        sizes (Sequence[tuple[int, int]]): Height and width of images before the crop.
        crop (tuple[int, int]): Height and width of the crop.
        place (str): What to call the images in messages.

    Returns:
        list[Problem]: At most one, if no image fills the crop in some direction.
    """
    if not sizes:
        return []
    largest = tuple(max(size[axis] for size in sizes) for axis in (0, 1))
    if all(have >= need for have, need in zip(largest, crop)):
        return []
    what = f'the crop of {crop[0]} x {crop[1]} (height x width) is larger than the images after '
    what += f'resizing, at most {largest[0]} x {largest[1]}, so a part of it is always padding'
    remedy = 'make crop_size smaller, or the scale of the resizing larger'
    return [Problem(place, what, remedy)]
