"""Batches and networks that do not fit each other."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmseg.datasets import BaseSegDataset
from mmseg.datasets.transforms import PackSegInputs, RandomCrop
from mmseg.models import EncoderDecoder, SegDataPreProcessor
from mmseg.models.decode_heads.cascade_decode_head import BaseCascadeDecodeHead
from torch import Tensor, nn

from ...datasets import UnlabeledDataset
from ...datasets.scan import random_numbers_kept
from ...datasets.transforms import MultiBranch
from ...models.decode_heads import ContrastHead
from ...models.memory import MemoryBank
from ...models.segmentors import ContrastivePretrainer, SemiSupervisedSegmentor
from ...problem import Problem
from ...structures.pixel_targets import IGNORE_INDEX
from ..hooks.memory_bank_hook import MemoryBankHook


def check_preprocessor(model: nn.Module) -> list[Problem]:
    """Look for the size to which a batch is padded.

    Args:
        model (nn.Module): The segmentor.

    Returns:
        list[Problem]: At most one.
    """
    preprocessor = getattr(model, 'data_preprocessor', None)
    if not isinstance(preprocessor, SegDataPreProcessor):
        return []
    given = [key for key in ('size', 'size_divisor') if getattr(preprocessor, key) is not None]
    if len(given) == 1:
        return []
    what = (
        'it has both size and size_divisor'
        if given
        else 'it has no size, to which to pad the images'
    )
    remedy = 'give size alone' if given else 'set size=crop_size'
    return [Problem('model.data_preprocessor', what, remedy)]


def check_sample(
    dataset: BaseSegDataset, place: str, size: tuple[int, int] | None
) -> list[Problem]:
    """Look at what the pipeline of a data set makes of its first image.

    Args:
        dataset (BaseSegDataset): The data set.
        place (str): What to call it.
        size (tuple[int, int], optional): Height and width to which the preprocessor pads.

    Returns:
        list[Problem]: At most one; none where the pipeline does not pack its results.
    """
    with random_numbers_kept():
        sample = dataset[0]
    if 'inputs' not in sample or 'data_samples' not in sample:
        return []
    images, labels = sample['inputs'], sample['data_samples']
    if not isinstance(images, Mapping):
        images, labels = {'': images}, {'': labels}
    for branch, image in images.items():
        if image is None:
            continue
        where = f' in the branch {branch!r}' if branch else ''
        if 'gt_sem_seg' not in labels[branch]:
            loader = 'LoadValidMap' if isinstance(dataset, UnlabeledDataset) else 'LoadAnnotations'
            what = f'the pipeline gives no label map{where}'
            remedy = f"add dict(type='{loader}') after the loading of the image"
            return [Problem(place, what, remedy)]
        if size is not None and any(a > b for a, b in zip(image.shape[1:], size)):
            what = f'the pipeline gives an image of {image.shape[1]} x {image.shape[2]}{where}, larger '
            what += f'than data_preprocessor.size={tuple(size)} (height x width)'
            return [
                Problem(
                    place, what, "end the geometry with dict(type='RandomCrop', crop_size=size)"
                )
            ]
    return []


def check_alignment(dataset: BaseSegDataset, place: str) -> list[Problem]:
    """Compare image and label map of a first sample where the pipeline cuts or packs them together.

    Args:
        dataset (BaseSegDataset): A data set for training.
        place (str): What to call it.

    Returns:
        list[Problem]: At most one. A mask that is loaded after the resizing is not resized, as validation
        wants it; in training the pixels of a crop would be labelled by others.
    """
    with random_numbers_kept():
        results = dataset.get_data_info(0)
        for transform in dataset.pipeline.transforms:
            if isinstance(transform, RandomCrop | MultiBranch | PackSegInputs):
                labels, image = results.get('gt_seg_map'), results.get('img')
                if labels is not None and image is not None and labels.shape != image.shape[:2]:
                    (height, width), (rows, columns) = image.shape[:2], labels.shape
                    what = f'{type(transform).__name__} gets an image of {height} x {width} and a label '
                    what += f'map of {rows} x {columns} (height x width)'
                    remedy = 'load the masks before Resize and other changes of the geometry'
                    return [Problem(place, what, remedy)]
            results = transform(results)
            if results is None or isinstance(transform, MultiBranch | PackSegInputs):
                break
    return []


def check_padding(
    batch: Mapping[str, Any] | None, model: nn.Module, ignored: Collection[int]
) -> list[Problem]:
    """Look for label maps that the preprocessor pads with a label that is no class and not ignored.

    Args:
        batch (Mapping, optional): A batch for training, as collated.
        model (nn.Module): The segmentor.
        ignored (Collection[int]): Labels beside the classes that the losses pay no heed to.

    Returns:
        list[Problem]: At most one; none where nothing needs padding.
    """
    size, fill = (
        padded_size(model),
        getattr(getattr(model, 'data_preprocessor', None), 'seg_pad_val', None),
    )
    if size is None or fill is None or fill in ignored or batch is None:
        return []
    samples = batch.get('data_samples', [])
    groups = samples.values() if isinstance(samples, Mapping) else [samples]
    for sample in (each for group in groups for each in group if each is not None):
        if 'gt_sem_seg' in sample and tuple(sample.gt_sem_seg.data.shape[-2:]) != size:
            what = f'seg_pad_val={fill} fills the label map of {getattr(sample, "img_path", "an image")}, '
            what += f'which is smaller than size={size}, with a label that counts'
            return [Problem('model.data_preprocessor', what, f'set it to {max(ignored)}')]
    return []


def check_network(model: nn.Module, images: int, size: tuple[int, int] | None) -> list[Problem]:
    """Send images without values through the network, which takes no memory and little time.

    What fails for another reason than those that are known here is left to the first step.

    Args:
        model (nn.Module): The segmentor.
        images (int): Smallest number of images in one forward of a training step.
        size (tuple[int, int], optional): Their height and width.

    Returns:
        list[Problem]: At most one.
    """
    if not isinstance(model, EncoderDecoder) or size is None:
        return []
    model = _without_values(model)
    channels = len(getattr(model.data_preprocessor, 'mean', [])) or 3
    batch = torch.zeros(images, channels, *size, device='meta')
    place, semi = 'model.backbone', hasattr(model, 'semi_train_cfg')
    try:
        with torch.no_grad():
            stages = model.extract_feat(batch)
            for name, head in _heads(model):
                place = name
                if isinstance(head, BaseCascadeDecodeHead):
                    what = f'{type(head).__name__} refines the output of another head, and is the only one'
                    remedy = 'take another decode head, or CascadeEncoderDecoder with labels alone'
                    return [Problem(place, what, remedy)]
                output = head.forward(stages)
                if place == 'model.decode_head' and semi and not isinstance(output, Tensor):
                    what = (
                        f'{type(head).__name__} gives several maps in training, and pseudo-labels '
                    )
                    what += 'need one map of logits'
                    return [Problem(place, what, 'take another decode head')]
    except (IndexError, RuntimeError, ValueError) as error:
        return _explain(error, place, images, size)
    return []


def _without_values(model: nn.Module) -> nn.Module:
    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.detach().to('meta'), requires_grad=False)
    for buffer in model.buffers():
        memo[id(buffer)] = buffer.to('meta')
    twin = copy.deepcopy(model, memo).train()
    for module in twin.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_pre_hook(_check_channels)
    return twin


def _check_channels(conv: nn.Conv2d, args: tuple[Tensor, ...]) -> None:
    # Without values PyTorch says no more than that they are invalid.
    if args[0].shape[1] != conv.in_channels:
        raise ChannelError(conv.in_channels, args[0].shape[1])


class ChannelError(ValueError):
    """A convolution and its input differ: the channels that it takes, and those that there are."""


def _heads(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    # The heads of a cascade want the output of the one before.
    if not isinstance(model.decode_head, nn.ModuleList):
        yield 'model.decode_head', model.decode_head
    heads = getattr(model, 'auxiliary_head', None)
    several = isinstance(heads, nn.ModuleList)
    for index, head in enumerate(heads if several else [heads] if heads is not None else []):
        if not (isinstance(head, ContrastHead) and head.decode_feature):
            yield f'model.auxiliary_head.{index}' if several else 'model.auxiliary_head', head


def _explain(error: Exception, place: str, images: int, size: tuple[int, int]) -> list[Problem]:
    text = str(error)
    shape = f'{size[0]} x {size[1]}'
    if 'Expected more than 1 value per channel' in text:
        what = f'a batch norm sees one value of each channel, since {images} image of {shape} is all that a '
        what += 'forward may have, and its feature map is pooled to 1 x 1'
        remedy = (
            'raise batch_size so that there are 2 or more labelled images, or take another norm '
        )
        remedy += "(norm_cfg=dict(type='GN', num_groups=32))"
        return [Problem(place, what, remedy)]
    if isinstance(error, ChannelError) and place != 'model.backbone':
        takes, there = error.args
        what = f'a convolution of it takes {takes} channels, and gets {there}'
        return [Problem(place, what, 'correct in_channels or in_index')]
    if isinstance(error, IndexError) and place != 'model.backbone':
        return [
            Problem(place, 'the backbone has no stage of its in_index', 'set a smaller in_index')
        ]
    if re.search(r"Kernel size can't be greater than actual input|Output size is too small", text):
        return [Problem(place, f'images of {shape} are too small for it', 'make crop_size larger')]
    return []


def smallest_forward(counts: list[int] | None, batch_size: int, model: nn.Module) -> int:
    """Return the smallest number of images in one forward of a training step.

    Args:
        counts (list[int], optional): Images of each source in a batch; None for one source.
        batch_size (int): Images of a batch.
        model (nn.Module): The segmentor; in its burn-in it sees the labelled images alone, and a
            teacher with the norm of the batch the unlabelled ones.
    """
    if not counts or len(counts) == 1 or not hasattr(model, 'semi_train_cfg'):
        return batch_size
    forwards = [sum(counts[:-1]) if model.burn_in else batch_size]
    if model.semi_train_cfg.teacher_norm == 'batch':
        forwards.append(counts[-1])
    return min(forwards)


def check_trainable(model: nn.Module) -> list[Problem]:
    """Look for something that can be trained.

    Args:
        model (nn.Module): The segmentor.

    Returns:
        list[Problem]: At most one.
    """
    trained = [parameter.requires_grad for parameter in model.parameters()]
    if any(trained) or not trained:
        return []
    what = 'each parameter is frozen, so that nothing can be learnt'
    return [Problem('model', what, 'freeze less (frozen_stages, requires_grad)')]


def padded_size(model: nn.Module) -> tuple[int, int] | None:
    """Return the height and width to which training images are padded, or None where they vary.

    Args:
        model (nn.Module): The segmentor.
    """
    size = getattr(getattr(model, 'data_preprocessor', None), 'size', None)
    return None if size is None else (int(size[0]), int(size[1]))


def check_bank_is_filled(model: nn.Module, hooks: Sequence[Hook]) -> list[Problem]:
    """Look for the hook that writes the memory banks of a model.

    Args:
        model (nn.Module): The segmentor.
        hooks (Sequence[Hook]): The hooks of the run.

    Returns:
        list[Problem]: At most one.
    """
    banks = any(isinstance(module, MemoryBank) for module in model.modules())
    if not banks or any(isinstance(hook, MemoryBankHook) for hook in hooks):
        return []
    what = 'the model has a memory bank, and nothing writes it'
    return [Problem('custom_hooks', what, "add dict(type='MemoryBankHook')")]


def ignored_labels(model: Any) -> set[int]:
    """Say which labels a model's losses pay no heed to.

    Args:
        model (Any): The segmentor.

    Returns:
        set[int]: The decode head's ``ignore_index``; 255 too for the segmentors of this package, which
        read it as padding whatever that is.
    """
    own = {getattr(_last_head(model), 'ignore_index', IGNORE_INDEX)}
    both = isinstance(model, SemiSupervisedSegmentor | ContrastivePretrainer)
    return own | ({IGNORE_INDEX} if both else set())


def num_classes(model: Any) -> int | None:
    """Return the number of classes that a segmentor tells apart, None where it does not say."""
    return getattr(_last_head(model), 'num_classes', None)


def _last_head(model: Any) -> Any:
    """Return the decode head; of a cascade, the last one."""
    head = getattr(model, 'decode_head', None)
    return head[-1] if isinstance(head, nn.ModuleList) else head
