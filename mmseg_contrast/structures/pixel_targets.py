"""Targets of the pixels of a batch: labels, soft labels and how much each pixel counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

#: The label of pixels that never count in targets of our own making, whatever the masks use.
IGNORE_INDEX = 255


@dataclass(frozen=True)
class PixelTargets:
    """What each pixel of a batch should be, and how much it counts.

    Attributes:
        labels (Tensor): Class of each pixel, int64 of shape (B, H, W), in ``[0, C)`` or
            ``ignore_index``.
        weight (Tensor): Weight of each pixel, float of shape (B, H, W), in ``[0, 1]``; 0 leaves
            the pixel out. An ignored pixel has weight 0.
        probs (Tensor, optional): Soft labels of shape (B, C, H, W) that sum to 1 over C.
        ignore_index (int): 255, the label of pixels that never count; the same for all targets.
    """

    labels: Tensor
    weight: Tensor
    probs: Tensor | None = None
    ignore_index: ClassVar[int] = IGNORE_INDEX

    @classmethod
    def from_labels(cls, labels: Tensor, ignore_index: int = IGNORE_INDEX) -> PixelTargets:
        """Make targets of ground truth: weight 1 wherever the label is not ignored.

        Args:
            labels (Tensor): Integer labels of shape (B, H, W).
            ignore_index (int): A label that the masks use for pixels that never count, beside 255,
                which padding and the borders of a rotation have. It becomes 255.
        """
        labels = labels.long()
        labels = labels.masked_fill(labels == ignore_index, IGNORE_INDEX)
        return cls(labels, (labels != IGNORE_INDEX).float())

    @classmethod
    def from_samples(
        cls, samples: Sequence[SegDataSample], ignore_index: int = IGNORE_INDEX
    ) -> PixelTargets:
        """Make targets of the ground truth that MMSeg's data samples carry.

        Args:
            samples (Sequence[SegDataSample]): B samples with ``gt_sem_seg`` of one size.
            ignore_index (int): As of :meth:`from_labels`.
        """
        return cls.from_labels(
            torch.cat([sample.gt_sem_seg.data for sample in samples]), ignore_index
        )

    @classmethod
    def ignored(cls, images: Tensor, num_classes: int | None = None) -> PixelTargets:
        """Make targets that say nothing: every pixel is ignored.

        Args:
            images (Tensor): Images of shape (B, 3, H, W).
            num_classes (int, optional): Number of classes C of soft labels; none makes hard ones.
        """
        (batch, _, *size), device = images.shape, images.device
        labels = torch.full((batch, *size), IGNORE_INDEX, dtype=torch.long, device=device)
        zero = torch.zeros((), device=device)
        probs = None if num_classes is None else zero.expand(batch, num_classes, *size)
        return cls(labels, zero.expand(batch, *size), probs)

    @property
    def accepted_labels(self) -> Tensor:
        """Labels of shape (B, H, W) in which pixels of weight 0 are ignored."""
        return self.labels.masked_fill(self.weight <= 0, self.ignore_index)

    def __len__(self) -> int:
        """Return the number of images B."""
        return len(self.labels)

    def __getitem__(self, images: slice) -> PixelTargets:
        """Return the targets of some of the images."""
        probs = None if self.probs is None else self.probs[images]
        return PixelTargets(self.labels[images], self.weight[images], probs)

    def to_samples(self) -> list[SegDataSample]:
        """Write the labels as the ground truth of MMSeg's data samples, one for each image."""
        samples = []
        for label in self.labels:
            size = tuple(label.shape)
            sample = SegDataSample(gt_sem_seg=PixelData(data=label[None]))
            sample.set_metainfo({'img_shape': size, 'pad_shape': size})
            samples.append(sample)
        return samples

    def mix(self, mask: Tensor, order: Tensor) -> PixelTargets:
        r"""Mix each image's targets with those of its partner.

        .. math:: y_b' = m_b \odot y_b + (1 - m_b) \odot y_{order_b}

        Args:
            mask (Tensor): Bool of shape (B, H, W); True keeps the image's own pixel.
            order (Tensor): Partner of each image, int64 of shape (B,).
        """
        return PixelTargets(
            swap_pixels(self.labels, mask, order),
            swap_pixels(self.weight, mask, order),
            None if self.probs is None else swap_pixels(self.probs, mask, order),
        )

    def resize(self, size: tuple[int, int]) -> PixelTargets:
        """Resize the targets: labels and weights by the nearest pixel, probabilities bilinearly.

        Ignored pixels stay ignored: a position's label and weight come from one source pixel.

        Args:
            size (tuple[int, int]): Height and width.
        """
        probs = self.probs
        if probs is not None:
            probs = F.interpolate(probs, size, mode='bilinear', align_corners=False)
        return PixelTargets(nearest(self.labels, size), nearest(self.weight, size), probs)

    @staticmethod
    def cat(parts: Sequence[PixelTargets]) -> PixelTargets:
        """Join targets along the batch; probabilities survive only where all parts have them."""
        soft = [part.probs for part in parts]
        return PixelTargets(
            torch.cat([part.labels for part in parts]),
            torch.cat([part.weight for part in parts]),
            None if any(probs is None for probs in soft) else torch.cat(soft),
        )


def count_classes(labels: Tensor, num_classes: int, ignore_index: int = IGNORE_INDEX) -> Tensor:
    """Count the pixels of each class, without a host sync.

    Args:
        labels (Tensor): Integer labels of any shape, in ``[0, C)`` or ``ignore_index``.
        num_classes (int): Number of classes C.
        ignore_index (int): The label of pixels that never count.

    Returns:
        Tensor: Counts, int64 of shape (C,).
    """
    # Ignored pixels fall into one spare place, so that shapes never depend on the data.
    place = torch.where(labels != ignore_index, labels, num_classes).flatten()
    return sum_by_class(torch.ones_like(place, dtype=torch.long), place, num_classes)


def sum_by_class(values: Tensor, place: Tensor, num_classes: int) -> Tensor:
    """Add up what belongs to each class, without a host sync.

    Args:
        values (Tensor): What to add, of any shape.
        place (Tensor): Class of each value, of the same shape, in ``[0, C)``; C leaves a value out.
        num_classes (int): Number of classes C.

    Returns:
        Tensor: Sums, of shape (C,).
    """
    sums = values.new_zeros(num_classes + 1)
    return sums.scatter_add_(0, place.flatten(), values.flatten())[:-1]


def swap_pixels(x: Tensor, mask: Tensor, order: Tensor) -> Tensor:
    """Take each pixel from the image itself where ``mask`` is set, else from its partner.

    Args:
        x (Tensor): Batch of shape (B, H, W) or (B, C, H, W).
        mask (Tensor): Bool of shape (B, H, W).
        order (Tensor): Partner of each image, int64 of shape (B,).
    """
    return torch.where(mask if x.ndim == 3 else mask.unsqueeze(1), x, x[order])


def nearest(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize a map of any dtype to ``size``, by the pixel under each centre.

    Args:
        x (Tensor): Map of shape (..., H, W).
        size (tuple[int, int]): Height and width.
    """
    rows = _centres(x.shape[-2], size[0], x.device)
    cols = _centres(x.shape[-1], size[1], x.device)
    return x[..., rows[:, None], cols]


def _centres(source: int, target: int, device: torch.device) -> Tensor:
    # Integer arithmetic, so that masks, labels and predictions always pick the same pixel.
    return ((2 * torch.arange(target, device=device) + 1) * source) // (2 * target)
