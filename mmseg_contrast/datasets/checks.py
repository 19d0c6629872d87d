"""Finding what is wrong with a data set before a training run does.

Each check is a function that returns a list of :class:`Problem`; an empty list is good news.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from ..files import sha256_of
from ..problem import Problem, SetupError
from .data_pages import data_page
from .files import IGNORE_INDEX, IMAGE_SUFFIXES, walk_files
from .scan import Scan, Source, is_there


def require_images(cfg: Mapping[str, Any], place: str) -> None:
    """Refuse a data set without folder, list or image, over which MMSeg stumbles without a remedy.

    Args:
        cfg (Mapping[str, Any]): Config of the data set.
        place (str): What to call it in messages.

    Raises:
        FileNotFoundError: A folder or its list does not exist.
        SetupError: Its folder or list holds no image.
    """
    root, page = cfg.get('data_root') or '', data_page(cfg)
    prefixes = [prefix for prefix in (cfg.get('data_prefix') or {}).values() if prefix is not None]
    for folder in (root, *(os.path.join(root, prefix) for prefix in prefixes)):
        if folder and '://' not in folder and not os.path.isdir(folder):
            raise FileNotFoundError(
                f'the folder {folder} of {place} does not exist: link or convert the data set to it'
                f'{page}, or correct the path in the config'
            )
    listed = os.path.join(root, cfg.get('ann_file') or '')
    if cfg.get('ann_file') and '://' not in listed and not os.path.exists(listed):
        raise FileNotFoundError(
            f'the list {listed} of {place} does not exist: write it with '
            f'tools/misc/split_dataset.py{page}, or correct the path in the config'
        )
    kind = DATASETS.get(cfg['type']) if isinstance(cfg.get('type'), str) else cfg.get('type')
    if not (isinstance(kind, type) and issubclass(kind, BaseSegDataset)):
        return
    dataset = DATASETS.build({**cfg, 'pipeline': [], 'lazy_init': True})
    if not dataset.load_data_list():
        what = f'there is no {dataset.img_suffix} image in {dataset.data_prefix["img_path"]}'
        if dataset.ann_file:
            what = f'the list {dataset.ann_file} is empty'
        remedy = f'correct folder, list or img_suffix{page}'
        raise SetupError(Problem(f'{place} ({kind.__name__})', what, remedy))


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
        missing = [path for path in paths if not is_there(path)]
        if missing:
            what = f'{len(missing)} of {len(paths)} {kind}s are missing, the first is {missing[0]}'
            if near := _twin(missing[0]):
                what += f' (there is {near})'
            remedy = (
                f'add the {kind}s{source.page}, correct folder and suffix, or take the names off '
            )
            remedy += 'the list'
            if '\ufeff' in missing[0]:
                remedy = (
                    'save the list as UTF-8 without byte order mark (BOM), which is read as a name'
                )
            problems.append(Problem(source.place, what, remedy))
    return problems


def _twin(path: str) -> str | None:
    """Find an image of the same name with another suffix, or in other case, in a file's folder."""
    if os.path.isfile(_stem(path)):
        return _stem(path)  # of a list whose names have a suffix already
    folder, name = os.path.split(path)
    stem = os.path.splitext(name)[0].lower()
    others = sorted(os.listdir(folder or '.')) if os.path.isdir(folder or '.') else []
    return next((each for each in others if _is_image(each) and _stem(each).lower() == stem), None)


def _is_image(name: str) -> bool:
    return not name.startswith('.') and name.lower().endswith(IMAGE_SUFFIXES)


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]


def check_left_out(dataset: BaseSegDataset, place: str) -> list[Problem]:
    """Look for images with a mask that a data set leaves out because of their suffix.

    MMSeg takes the files of a folder that end with ``img_suffix``, to the letter, and drops others.

    Args:
        dataset (BaseSegDataset): The data set.
        place (str): What to call it in messages.

    Returns:
        list[Problem]: At most one; none where a list says which images are meant.
    """
    folder, masks = (dataset.data_prefix.get(key) for key in ('img_path', 'seg_map_path'))
    if dataset.ann_file or not (folder and masks and os.path.isdir(folder)):
        return []
    left_out = []
    for path in walk_files(folder):
        name = path.relative_to(folder).as_posix()
        if not _is_image(path.name) or name.endswith(dataset.img_suffix):
            continue
        # `_leftImg8bit.PNG` is such an end as `_leftImg8bit.png`.
        end = len(dataset.img_suffix)
        same = name.lower().endswith(dataset.img_suffix.lower())
        mask = Path(masks, (name[:-end] if same else _stem(name)) + dataset.seg_map_suffix)
        if mask.is_file() and not mask.samefile(path):
            left_out.append(str(path))
    if not left_out:
        return []
    what = f'{len(left_out)} images with a mask are left out because they do not end with '
    what += f"img_suffix='{dataset.img_suffix}', the first is {left_out[0]}"
    return [Problem(place, what, 'rename them, or convert all images to one suffix')]


def check_ids(
    found: Scan, source: Source, ignored: Collection[int] = (IGNORE_INDEX,)
) -> list[Problem]:
    """Compare mask values with the classes.

    Args:
        found (Scan): What the masks hold.
        source (Source): Classes, ``reduce_zero_label`` and ``label_map``.
        ignored (Collection[int]): Ids beside the classes that the losses pay no heed to.

    Returns:
        list[Problem]: At most one, with the likeliest cause.
    """
    total = found.stored.sum(axis=0)
    present = [int(value) for value in np.flatnonzero(total)]
    seen = [int(each) for each in np.flatnonzero(found.classes.sum(axis=0)) if each not in ignored]
    number = len(source.classes)
    highest = max(seen, default=-1)
    values = _ranges(present)
    if not number:
        what = f'the masks hold the ids {values}, but the data set names no classes'
        remedy = "give metainfo=dict(classes=('road', ...), palette=[[128, 64, 128], ...])"
    elif present == [0, IGNORE_INDEX] and number > 1 and IGNORE_INDEX in ignored:
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
        ignoring = ', '.join(map(str, sorted(ignored)))
        remedy = f'correct the classes, or convert the masks to class ids ({ignoring} is ignored)'
    elif not seen and len(found.stored):
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


def check_absent(found: Scan, source: Source) -> list[Problem]:
    """Look for classes that no mask shows.

    Args:
        found (Scan): What the masks hold.
        source (Source): Its classes.

    Returns:
        list[Problem]: At most one.
    """
    pixels = found.classes.sum(axis=0)
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
