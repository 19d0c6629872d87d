"""Pixel-wise contrast of C3-SemiSeg."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, get_rank
from mmseg.registry import MODELS
from torch import Tensor

from ...arguments import in_range, one_of
from ...structures import PixelTargets, SemiStep
from ..distributed import gather_with_grad
from ..losses.contrast import grouped_contrast
from ..sampling.anchor_sampling import gather_pixels, sample_anchors
from .contrast_head import ContrastHead, anchor_mean, group_by_class

SOURCES = ('labeled', 'unlabeled')
SAMPLINGS = ('segmentation_aware', 'random')
KEYS = ('student', 'teacher')


@MODELS.register_module()
class PixelContrastHead(ContrastHead):
    r"""Pulls pixels of one class together across images and sets, and pushes other classes away.

    Anchors are student embeddings of class-balanced pixels of labelled and unlabelled images; keys,
    at the same positions, are the teacher's embeddings for unlabelled images and the student's own,
    without gradient, for labelled ones. In distributed training each rank's anchors meet the keys
    of all ranks. The loss is Eq. 5 of C3-SemiSeg (Zhou et al., ICCV 2021), see
    :func:`grouped_contrast`. Hard pixels (section 3.3) are those where the student errs (labelled)
    or disagrees with the teacher (unlabelled).

    Args:
        temperature (float): :math:`\tau`, above 0.
        samples_per_class (int): Pixels of each class in each image.
        hard_ratio (float): Share of hard pixels among them, in [0, 1].
        min_pixels (int): Classes with fewer pixels of an image's feature grid are left out of it.
        sampling (str): ``'segmentation_aware'`` or ``'random'``.
        sources (tuple[str, ...]): Sets that take part, of ``'labeled'`` and ``'unlabeled'``. The keys of
            the latter need a mixing that leaves the targets in their place.
        labeled_keys (str): Network that makes the keys of labelled images, ``'student'`` (as the
            published code) or ``'teacher'`` (as the paper's text).
        exclude_classes (tuple[int, ...]): Classes that take no part (the published code leaves out
            class 0).
        key_gradient (bool): Whether the gradient flows through the keys too in a step without
            pseudo-labels, whose anchors and keys are the same embeddings (the published code's burn-in).
        gather_keys (bool): Whether anchors meet the keys of all processes, or only their own (the
            published code).
        base_temperature (float, optional): Multiplies the loss by ``temperature / base_temperature``,
            as the published code does with 0.1.
        kwargs: Arguments of :class:`ContrastHead`.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int = 256,
        *,
        temperature: float = 0.15,
        samples_per_class: int = 20,
        hard_ratio: float = 0.5,
        min_pixels: int = 1,
        sampling: str = 'segmentation_aware',
        sources: tuple[str, ...] = SOURCES,
        labeled_keys: str = 'student',
        exclude_classes: tuple[int, ...] = (),
        key_gradient: bool = False,
        gather_keys: bool = True,
        base_temperature: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(in_channels, channels, **kwargs)
        name = type(self).__name__
        in_range(self, '(0, inf)', 'a temperature', temperature=temperature)
        in_range(self, '[0, 1]', 'a share', hard_ratio=hard_ratio)
        if not sources or not set(sources) <= set(SOURCES):
            raise ValueError(f'{name}(sources={sources}) must name some of {SOURCES}.')
        if not set(exclude_classes) <= set(range(self.num_classes)):
            raise ValueError(
                f'{name}(exclude_classes={exclude_classes}) must be in 0 to {self.num_classes - 1}.'
            )
        one_of(self, SAMPLINGS, sampling=sampling)
        one_of(self, KEYS, labeled_keys=labeled_keys)
        self.temperature = temperature
        self.samples_per_class = samples_per_class
        self.hard_ratio = hard_ratio
        self.min_pixels = min_pixels
        self.sampling = sampling
        self.sources = tuple(sources)
        self.needs_teacher_on_labeled = labeled_keys == 'teacher'
        self.key_gradient = key_gradient
        self.gather_keys = gather_keys
        self.scale = 1.0 if base_temperature is None else temperature / base_temperature
        excluded = torch.zeros(self.num_classes, dtype=torch.bool)
        excluded[list(exclude_classes)] = True
        self.register_buffer('excluded', excluded, persistent=False)

    def options_for_logits(self) -> list[str]:
        """Name the sampling of hard pixels: without logits none is known to be hard."""
        return ["sampling='segmentation_aware'"] if self.sampling == 'segmentation_aware' else []

    def options_for_unlabeled(self) -> dict[str, str]:
        """Name the options in use that speak of the teacher or of unlabelled images alone."""
        options = {
            "labeled_keys='teacher'": (self.needs_teacher_on_labeled, "labeled_keys='student'"),
            f'sources={self.sources}': ('labeled' not in self.sources, f'sources={SOURCES}'),
        }
        return {option: instead for option, (used, instead) in options.items() if used}

    def options_for_teacher(self) -> dict[str, str]:
        """Name the option that takes the teacher's features of the unlabelled images."""
        option = {f'sources={self.sources}': "sources=('labeled',)"}
        return option if 'unlabeled' in self.sources else {}

    def loss_by_step(
        self, step: SemiStep, teacher: ContrastHead | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor | float]]:
        """Compute the contrastive term of one step; see :meth:`ContrastHead.loss_by_step`."""
        embedding = step.align(self.embed(step.student))
        index, filled = self._sample(step, embedding.shape[2:])
        # Only sampled pixels are normalised: one gather, whose backward is one scatter.
        anchors = group_by_class(F.normalize(gather_pixels(embedding.float(), index), dim=-1))
        keys, mask = anchors, group_by_class(filled)
        if len(step.pseudo) or not self.key_gradient:
            with torch.no_grad():
                keys = self.key_embedding(step, embedding.detach(), teacher)
                keys = group_by_class(F.normalize(gather_pixels(keys.float(), index), dim=-1))
        own, key_mask = 0, mask
        if self.gather_keys:
            own = get_rank() * mask.shape[1]
            keys, key_mask = gather_with_grad(keys, 1), torch.cat(all_gather(mask), 1)
        total, *counts = grouped_contrast(anchors, keys, mask, key_mask, self.temperature, own)
        return self.weigh(self.scale * anchor_mean(total, counts[0]), *counts)

    def _sample(self, step: SemiStep, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        labels, hard = step.labels_at(size)
        if self.sampling == 'random':
            hard = None
        known = labels != PixelTargets.ignore_index
        dropped = self.excluded[labels.where(known, 0)] | ~known
        labels = labels.masked_fill(dropped, PixelTargets.ignore_index)
        num_labeled = len(step.labeled)
        if 'labeled' not in self.sources:
            labels[:num_labeled] = PixelTargets.ignore_index
        if 'unlabeled' not in self.sources:
            labels[num_labeled:] = PixelTargets.ignore_index
        return sample_anchors(
            labels, self.num_classes, self.samples_per_class, hard, self.hard_ratio, self.min_pixels
        )
