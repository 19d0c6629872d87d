"""Data that do not fit the batches, the network or its losses."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from mmseg.datasets import BaseSegDataset
from mmseg.datasets.transforms import RandomCrop
from mmseg.structures import SegDataSample
from torch import nn
from torch.utils.data import DataLoader

from ...datasets import MultiSourceSampler
from ...datasets.checks import check_crop, check_ids, check_left_out, find_missing
from ...datasets.scan import parts_of, random_numbers_kept, scan, source_of
from ...datasets.transforms import LoadValidMap, MultiBranch
from ...models.data_preprocessors import MultiBranchDataPreprocessor
from ...models.segmentors import SemiSupervisedSegmentor
from ...models.segmentors.semi_supervised_segmentor import LABELED
from ...problem import Problem
from ...structures.pixel_targets import IGNORE_INDEX

#: Masks and images of a data set that are looked at.
MAX_FILES = 32
#: Images that are sent to the crop.
CROP_DRAWS = 16
#: Branches of unlabelled images that a data set may make though the model does not read them.
UNREAD = ('weak', 'strong')


def check_number(dataset: Any, need: int) -> list[Problem]:
    """Compare the number of images of a source with what a batch takes of it.

    Args:
        dataset (Any): The source: a data set, or several in a wrapper.
        need (int): Samples of it in one batch.

    Returns:
        list[Problem]: At most one.
    """
    parts = parts_of(dataset)
    if not parts or len(dataset) >= need:
        return []
    what = f'there are {len(dataset)}, but a batch needs {need}'
    remedy = 'add images, or make batch_size or its source_ratio smaller'
    return [Problem(source_of(parts[0]).place, what, remedy)]


def check_dataset(
    dataset: BaseSegDataset, place: str | None = None, ignored: Collection[int] = (IGNORE_INDEX,)
) -> list[Problem]:
    """Check the files of one data set and what its pipeline makes of them.

    Args:
        dataset (BaseSegDataset): The data set, with or without masks.
        place (str, optional): What to call it. Defaults to None: labelled or unlabelled images.
        ignored (Collection[int]): Labels beside the classes that the losses pay no heed to.

    Returns:
        list[Problem]: What is wrong; when files are missing, nothing else is looked at.
    """
    if dataset.backend_args:
        return []  # the files are not on this disk
    source = source_of(dataset, place)
    problems = find_missing(source) or check_left_out(dataset, source.place)
    if problems:
        return problems
    found = scan(source.spread(MAX_FILES))
    sizes = sizes_before_crop(dataset) if not found.problems else []
    problems += found.problems + check_ids(found, source, ignored)
    for crop_size, images in sizes:
        problems += check_crop(images, crop_size, source.place)
    return problems


def check_fills(dataset: BaseSegDataset, ignored: Collection[int]) -> list[Problem]:
    """Look for transforms that fill labels, beside an image that they turned or padded, with a class.

    Args:
        dataset (BaseSegDataset): The data set, with or without masks.
        ignored (Collection[int]): Labels beside the classes that the losses pay no heed to; in the
            valid map of an unlabelled image that is 255 alone.

    Returns:
        list[Problem]: At most one.
    """
    transforms = list(dataset.pipeline.transforms)
    for split in [each for each in transforms if isinstance(each, MultiBranch)]:
        transforms += [each for part in split.branch_pipelines.values() for each in part.transforms]
    if any(isinstance(each, LoadValidMap) for each in transforms):
        ignored = {IGNORE_INDEX}
    for transform in transforms:
        padding = getattr(transform, 'pad_val', None)
        fills = {
            'seg_pad_val': getattr(transform, 'seg_pad_val', None),
            'seg_fill_in': getattr(transform, 'seg_fill_in', None),
            'pad_val.seg': padding.get('seg') if isinstance(padding, Mapping) else None,
        }
        for name, value in fills.items():
            if value is not None and value not in ignored:
                what = f'{name}={value} fills what lies outside an image with a label that counts'
                remedy = f'set it to {max(ignored)}'
                return [Problem(f'{type(transform).__name__} in the pipeline', what, remedy)]
    return []


def sizes_before_crop(
    dataset: BaseSegDataset,
) -> list[tuple[tuple[int, int], list[tuple[int, int]]]]:
    """Find out how large images are when the pipeline comes to cut its crop out of them.

    Args:
        dataset (BaseSegDataset): The data set.

    Returns:
        list[tuple[tuple[int, int], list[tuple[int, int]]]]: Height and width of the crop, and of
        some images before it; empty where nothing is cropped.
    """
    transforms = dataset.pipeline.transforms
    crops = [i for i, transform in enumerate(transforms) if isinstance(transform, RandomCrop)]
    if not crops:
        return []
    sizes = []
    with random_numbers_kept():
        for index in np.linspace(0, len(dataset) - 1, CROP_DRAWS).round().astype(int):
            results = dataset.get_data_info(int(index))
            for transform in transforms[: crops[0]]:
                results = transform(results) if results is not None else None
            if results is not None:
                sizes.append(results['img'].shape[:2])
    return [(tuple(transforms[crops[0]].crop_size), sizes)]


def check_labels(
    batch: Mapping[str, Any] | None, num_classes: int | None, ignored: Collection[int]
) -> list[Problem]:
    """Look for labels that are no class in a batch, before a loss fails without a file name.

    Takes 0.1 ms for an image of 512 x 512.

    Args:
        batch (Mapping, optional): A batch as collated; with branches, the labelled ones are read.
        num_classes (int, optional): Number of classes; none checks nothing.
        ignored (Collection[int]): Labels beside the classes that the losses pay no heed to.

    Returns:
        list[Problem]: At most one.
    """
    samples = [] if batch is None or num_classes is None else batch.get('data_samples', [])
    if isinstance(samples, Mapping):
        samples = [each for name in LABELED for each in samples.get(name, [])]
    for sample in samples:
        if sample is None or 'gt_sem_seg' not in sample:
            continue
        labels = sample.gt_sem_seg.data.numpy()
        low, high = int(labels.min(initial=0)), int(labels.max(initial=0))
        if low >= 0 and high < num_classes:
            continue
        wrong = [
            int(each)
            for each in np.unique(labels)
            if each not in ignored and not 0 <= each < num_classes
        ]
        if wrong:
            path = getattr(sample, 'seg_map_path', None) or getattr(sample, 'img_path', 'a mask')
            what = f'the mask gives the label {wrong[0]}, but {num_classes} classes have 0 to '
            what += f'{num_classes - 1}'
            ignoring = ', '.join(map(str, sorted(ignored)))
            remedy = f'correct the mask, or convert it to class ids ({ignoring} is ignored)'
            return [Problem(path, what, remedy)]
    return []


def check_classes(
    datasets: Sequence[BaseSegDataset], model: Any, place: str | None = None
) -> list[Problem]:
    """Compare the classes of the data sets with each other and with the model.

    Args:
        datasets (Sequence[BaseSegDataset]): The sources of the training data.
        model (Any): The segmentor; its ``decode_head`` knows ``num_classes``.
        place (str, optional): What to call all but the first. Defaults to None: their type.

    Returns:
        list[Problem]: What differs.
    """
    problems = []
    classes = [dataset.metainfo.get('classes') for dataset in datasets]
    for dataset, other in zip(datasets, classes):
        if other is not None and classes[0] is not None and tuple(other) != tuple(classes[0]):
            what = f'its classes {tuple(other)} differ from those of the first source, '
            what += f'{tuple(classes[0])}'
            remedy = 'give all sources the same metainfo, and unlabelled ones like=<labelled type>'
            problems.append(Problem(place or type(dataset).__name__, what, remedy))
    if not datasets or classes[0] is None:
        return problems
    for place in ('decode_head', 'auxiliary_head'):
        heads = getattr(model, place, None)
        several = isinstance(heads, nn.ModuleList)
        for index, head in enumerate(heads if several else [heads]):
            number = getattr(head, 'num_classes', None)
            if number not in (None, len(classes[0])):
                what = f'num_classes={number}, but the data set {type(datasets[0]).__name__} has '
                what += f'{len(classes[0])} classes'
                remedy = f'set num_classes={len(classes[0])} in every head of the model'
                name = f'model.{place}[{index}]' if several else f'model.{place}'
                problems.append(Problem(name, what, remedy))
    return problems


def check_branches(datasets: Sequence[BaseSegDataset], model: nn.Module) -> list[Problem]:
    """Compare the branches of the batches with each other and with what the model reads.

    Args:
        datasets (Sequence[BaseSegDataset]): The sources of the training data.
        model (nn.Module): The segmentor.

    Returns:
        list[Problem]: What differs; empty for data without branches.
    """
    splits = {
        dataset: transform
        for dataset in datasets
        for transform in dataset.pipeline.transforms
        if isinstance(transform, MultiBranch)
    }
    if not splits:
        return []
    fields = next(iter(splits.values())).branch_field
    for dataset in datasets:
        own = splits[dataset].branch_field if dataset in splits else None
        if own != fields:
            what = f'its pipeline has the branches {own}, and that of another source {fields}'
            remedy = 'end each pipeline with a MultiBranch of the same branch_field'
            return [Problem(type(dataset).__name__, what, remedy)]
    if not isinstance(model.data_preprocessor, MultiBranchDataPreprocessor):
        what = (
            f'the batches have branches, which a {type(model.data_preprocessor).__name__} cannot '
        )
        what += 'take'
        remedy = "set data_preprocessor=dict(type='MultiBranchDataPreprocessor', size=crop_size)"
        return [Problem('model.data_preprocessor', what, remedy)]
    if not isinstance(model, SemiSupervisedSegmentor):
        return []
    given = {branch for split in splits.values() for branch in split.branch_pipelines}
    read = model.branches
    unknown, missing = sorted(given - {*LABELED, *UNREAD, *read}), sorted(read - given)
    if unknown or (missing and given - {*LABELED}):
        what = f'the sources give {sorted(given)}, the model reads {sorted({*LABELED, *read})}'
        remedy = f'rename the branches {unknown}' if unknown else f'add the branches {missing}'
        return [Problem('train_dataloader', what, f'{remedy} in MultiBranch')]
    return []


def check_batch_size(loader: DataLoader) -> list[Problem]:
    """Compare the batches of a loader with those that its sampler fills from several sources.

    Args:
        loader (DataLoader): The training data.

    Returns:
        list[Problem]: At most one.
    """
    drawn = getattr(loader.sampler, 'batch_size', loader.batch_size)
    if drawn == loader.batch_size:
        return []
    what = f'batch_size={loader.batch_size}, but its sampler.batch_size={drawn} mixes the sources'
    return [Problem('train_dataloader', what, 'give both the same number')]


def check_original_size(batch: Mapping[str, Any] | None) -> list[Problem]:
    """Look for masks of a validation that are not of the size of the image as loaded.

    Predictions are brought back to that size before they are compared.

    Args:
        batch (Mapping, optional): A batch as collated.

    Returns:
        list[Problem]: At most one.
    """
    for sample in (batch or {}).get('data_samples', []):
        if not isinstance(sample, SegDataSample) or not {'gt_sem_seg', 'ori_shape'} <= {
            *sample.all_keys()
        }:
            continue
        mask, size = tuple(sample.gt_sem_seg.data.shape[-2:]), tuple(sample.ori_shape[:2])
        if mask != size:
            path = getattr(sample, 'seg_map_path', None) or getattr(sample, 'img_path', 'a mask')
            what = f'the label map is {mask[0]} x {mask[1]}, and the image as loaded {size[0]} x {size[1]} '
            what += '(height x width)'
            remedy = 'load masks of the size of their images, after Resize in the test pipeline'
            return [Problem(path, what, remedy)]
    return []


def check_sets_of_each_process(datasets: Sequence[BaseSegDataset], sampler: Any) -> list[Problem]:
    """Look for a sampler that may give one process no image of a set that the others have.

    Processes wait for each other in what they do with a set, and would wait for ever.

    Args:
        datasets (Sequence[BaseSegDataset]): The sources of the training data.
        sampler (Any): The sampler of the training data.

    Returns:
        list[Problem]: At most one.
    """
    sets = {
        frozenset(transform.branch_pipelines)
        for dataset in datasets
        for transform in dataset.pipeline.transforms
        if isinstance(transform, MultiBranch)
    }
    if len(sets) < 2 or isinstance(sampler, MultiSourceSampler):
        return []
    what = f'{type(sampler).__name__} may give a process a batch without labelled or unlabelled images, '
    what += 'for which the other processes would wait'
    remedy = "take dict(type='MultiSourceSampler', batch_size=..., source_ratio=[1, 1])"
    return [Problem('train_dataloader.sampler', what, remedy)]
