"""Finding what is wrong with a data set before a training run does.

Each check is a function that returns a list of :class:`Problem`; an empty list is good news. Files are
read by the transforms of the data set's own pipeline, as training reads them.
"""

import copy
import os
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from ..files import sha256_of
from ..problem import Problem, SetupError
from .data_pages import data_page
from .files import IGNORE_INDEX, IMAGE_SUFFIXES, unreadable, walk_files
from .transforms import LoadAnnotations, LoadImageFromFile

Sample = Mapping[str, Any]


@dataclass(frozen=True)
class Source:
    """Images of one purpose, with or without masks.

    Attributes:
        place (str): What to call it in messages, e.g. ``'labelled images'``.
        samples (Sequence[Mapping]): What the data set knows of each image, ``img_path`` at least.
        classes (Sequence[str]): Names of the classes.
        transforms (Sequence[Callable]): Its pipeline, whose first transforms load image and mask.
        page (str): Where its layout is described, as :func:`data_page` says it.
    """

    place: str
    samples: Sequence[Sample]
    classes: Sequence[str] = ()
    transforms: Sequence[Callable] = ()
    page: str = ''

    @property
    def images(self) -> list[str]:
        """Paths of the images."""
        return [sample['img_path'] for sample in self.samples]

    @property
    def masks(self) -> list[str] | None:
        """Paths of their masks, None for unlabelled images."""
        masks = [sample.get('seg_map_path') for sample in self.samples]
        return masks if masks and None not in masks else None

    @property
    def reduce_zero_label(self) -> bool:
        """Whether id 0 is ignored and all others go down by one."""
        return bool(self.samples) and bool(self.samples[0].get('reduce_zero_label'))

    @property
    def label_map(self) -> Mapping[int, int] | None:
        """Class of each stored id, after that."""
        return self.samples[0].get('label_map') if self.samples else None

    def spread(self, limit: int) -> 'Source':
        """Take at most ``limit`` of the images, evenly spread."""
        if len(self.samples) <= limit:
            return self
        picks = np.linspace(0, len(self.samples) - 1, limit).round().astype(int)
        return replace(self, samples=[self.samples[pick] for pick in picks])


@dataclass
class Scan:
    """What the files of a source hold.

    Attributes:
        stored (np.ndarray): Pixels of each stored id, one row for each readable mask, int64,
            shape (N, 256). Where a transform of the user's own loads masks: of each id that it makes.
        classes (np.ndarray): The same of what training sees, shape (N, 256).
        sizes (list[tuple[int, int]]): Height and width of each readable image.
        problems (list[Problem]): Files that cannot be used.
    """

    stored: np.ndarray
    classes: np.ndarray
    sizes: list[tuple[int, int]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def samples_of(
    images: Sequence[str],
    masks: Sequence[str] | None = None,
    reduce_zero_label: bool = False,
    label_map: Mapping[int, int] | None = None,
) -> list[Sample]:
    """Describe files as a data set of MMSeg would.

    Args:
        images (Sequence[str]): Paths of the images.
        masks (Sequence[str], optional): Paths of their masks. Defaults to None: unlabelled.
        reduce_zero_label (bool): Whether id 0 is ignored and all others go down by one.
        label_map (Mapping[int, int], optional): Class of each stored id, after that.

    Returns:
        list[Mapping]: One for each image.
    """
    known = {'reduce_zero_label': reduce_zero_label, 'label_map': label_map}
    if masks is None:
        return [{'img_path': image, 'seg_fields': [], **known} for image in images]
    return [
        {'img_path': image, 'seg_map_path': mask, 'seg_fields': [], **known}
        for image, mask in zip(images, masks)
    ]


def source_of(dataset: BaseSegDataset, place: str | None = None) -> Source:
    """Describe a data set that is built.

    Args:
        dataset (BaseSegDataset): The data set.
        place (str, optional): What to call it in messages. Defaults to None: labelled or unlabelled
            images. The list or the folder is added.

    Returns:
        Source: Its files, classes and pipeline.
    """
    samples = [dataset.get_data_info(index) for index in range(len(dataset))]
    like = getattr(dataset, 'like', type(dataset))
    source = Source(
        '',
        samples,
        dataset.metainfo.get('classes') or (),
        dataset.pipeline.transforms,
        data_page(like),
    )
    kind = place or ('unlabelled images' if source.masks is None else 'labelled images')
    where = dataset.ann_file or dataset.data_prefix['img_path']
    return replace(source, place=f'{kind} ({where})')


def parts_of(dataset: Any) -> list[BaseSegDataset]:
    """Find the data sets of MMSeg in a data set, however deep in wrappers.

    Args:
        dataset (Any): Such a data set, or one that wraps others (``ConcatDataset``,
            ``RepeatDataset``, ...).

    Returns:
        list[BaseSegDataset]: Those that read files.
    """
    if isinstance(dataset, BaseDataset):
        return [dataset] if isinstance(dataset, BaseSegDataset) else []
    inner = [*getattr(dataset, 'datasets', []), getattr(dataset, 'dataset', None)]
    return [part for each in inner if each is not None for part in parts_of(each)]


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
        missing = [path for path in paths if not _is_there(path)]
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


def scan(source: Source, samples: Iterable[Sample] | None = None) -> Scan:
    """Load images and masks as the pipeline does; those that are missing are passed over.

    Args:
        source (Source): What to look at.
        samples (Iterable[Mapping], optional): Samples of the source, for a progress bar around them.
            Defaults to None: those of the source.

    Returns:
        Scan: Their content.
    """
    result = Scan(*(np.zeros((0, 256), np.int64) for _ in range(2)))
    rows = []
    with random_numbers_kept():
        for sample in source.samples if samples is None else samples:
            paths = [sample[key] for key in ('img_path', 'seg_map_path') if sample.get(key)]
            if not all(map(_is_there, paths)):
                continue  # told by `find_missing`
            try:
                size, counts = _load(sample, source.transforms)
            except SetupError as error:
                result.problems.append(error.problem)
                continue
            result.sizes += [] if size is None else [size]
            rows += [] if counts is None else [counts]
    if rows:
        result.stored, result.classes = (np.array(each, np.int64) for each in zip(*rows))
    return result


def _load(
    sample: Sample, transforms: Sequence[Callable]
) -> tuple[tuple[int, int] | None, tuple[np.ndarray, np.ndarray] | None]:
    """Load one image, and the mask if it has one.

    Args:
        sample (Mapping): What the data set knows of it.
        transforms (Sequence[Callable]): The pipeline; as much of it is run as is needed. What it does
            not load is loaded as MMSeg does.

    Returns:
        tuple: Height and width of the image; pixels of each stored id and of each class (256,), or
        None without a mask. Both None where the pipeline rejects the sample.

    Raises:
        SetupError: A file cannot be used.
    """
    mask_path = sample.get('seg_map_path')
    results, size = copy.deepcopy(dict(sample)), None
    for transform in transforms:
        if type(transform) is LoadAnnotations:
            return size, _counts_of_ids(transform, results)
        results = _apply(transform, results, mask_path if size else sample['img_path'])
        if results is None:
            return None, None
        if size is None and 'img' in results:
            size = tuple(results.get('ori_shape', results['img'].shape)[:2])
        if mask_path is None and size:
            return size, None
        if mask_path is not None and 'gt_seg_map' in results:
            return size, _counts_of_map(results, mask_path)
    results = copy.deepcopy(dict(sample))
    if size is None:
        results = LoadImageFromFile()(results)
        size = results['ori_shape']
    return size, None if mask_path is None else _counts_of_ids(LoadAnnotations(), results)


def _apply(transform: Callable, results: dict, path: str) -> dict | None:
    """Run a transform, and let an error of it name the file."""
    try:
        return transform(results)
    except (SetupError, ImportError):
        raise
    except Exception as error:
        raise unreadable(path, error) from error


def _counts_of_ids(loader: LoadAnnotations, results: dict) -> tuple[np.ndarray, np.ndarray]:
    stored = np.bincount(loader.stored_ids(results).ravel(), minlength=256)
    classes = np.zeros_like(stored)
    np.add.at(classes, loader.to_classes(results), stored)
    return stored, classes


def _counts_of_map(results: dict, path: str) -> tuple[np.ndarray, np.ndarray]:
    """Count what a transform of the user's own has made."""
    made = np.asarray(results['gt_seg_map'])
    sizes = {tuple(results[key][:2]) for key in ('ori_shape', 'img_shape') if key in results}
    what = None
    if made.ndim != 2:
        what = f'the pipeline makes a mask of shape {made.shape} of it'
    elif sizes and made.shape not in sizes:
        size = ' or '.join(f'{width} x {height}' for height, width in sorted(sizes))
        what = f'the image is {size}, and the pipeline makes a mask of '
        what += f'{made.shape[1]} x {made.shape[0]} of it'
    elif made.min(initial=0) < 0 or made.max(initial=0) > IGNORE_INDEX:
        what = f'the pipeline makes ids from {made.min()} to {made.max()} of it'
    if what:
        remedy = 'let the transform that sets gt_seg_map give class ids, 0 to 255, of shape (H, W)'
        raise SetupError(Problem(path, what, remedy))
    counts = np.bincount(made.astype(np.uint8).ravel(), minlength=256)
    return counts, counts


def _is_there(path: str) -> bool:
    return '://' in str(path) or Path(path).is_file()


@contextmanager
def random_numbers_kept() -> Iterator[None]:
    """Give NumPy and ``random`` back as they were: a check must not change what training draws."""
    states = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


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
