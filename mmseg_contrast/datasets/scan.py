"""What the files of a data set hold, read by the transforms of its own pipeline, as training reads them."""

import copy
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmseg.datasets import BaseSegDataset

from ..problem import Problem, SetupError
from .data_pages import data_page
from .files import IGNORE_INDEX, unreadable
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
            if not all(map(is_there, paths)):
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


def is_there(path: str) -> bool:
    """Say whether a path is a file; one behind a URL is taken for granted."""
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
