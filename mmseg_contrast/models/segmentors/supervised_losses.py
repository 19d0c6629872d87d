"""A decode head's own supervised losses, without a host sync."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from ...structures import PixelTargets


def supervised_losses(
    head: BaseDecodeHead,
    logits: Tensor,
    samples: Sequence[SegDataSample],
    class_weight: Tensor | None = None,
) -> dict[str, Tensor]:
    """Compute the losses that a head's config asks for.

    A head with its own ``loss_by_feat`` computes them itself. The common form is evaluated here
    because MMSeg's also counts accuracy by boolean indexing, which makes a GPU wait for the host
    in every step. Pixels labelled 255 (padding, borders of a rotation) never count, whatever the head's
    ``ignore_index``: its losses see that label instead.

    Args:
        head (BaseDecodeHead): The head that made the logits.
        logits (Tensor): Logits at the labels' resolution, (B, C, H, W).
        samples (Sequence[SegDataSample]): B samples with ``gt_sem_seg``.
        class_weight (Tensor, optional): Factor of each class, (C,); for losses that take one.

    Returns:
        dict[str, Tensor]: A scalar for each loss name.
    """
    labels = PixelTargets.from_samples(samples, head.ignore_index).labels
    if head.ignore_index != PixelTargets.ignore_index:
        labels = labels.masked_fill(labels == PixelTargets.ignore_index, head.ignore_index)
        samples = [_with_labels(sample, label) for sample, label in zip(samples, labels)]
    if type(head).loss_by_feat is not BaseDecodeHead.loss_by_feat:
        return head.loss_by_feat(logits, samples)
    weight = None
    if head.sampler is not None:
        weight = head.sampler.sample(logits, labels.unsqueeze(1))
    extra = {} if class_weight is None else {'class_weight': class_weight}
    losses: dict[str, Tensor] = {}
    single = not isinstance(head.loss_decode, nn.ModuleList)
    for criterion in [head.loss_decode] if single else head.loss_decode:
        value = criterion(logits, labels, weight=weight, ignore_index=head.ignore_index, **extra)
        losses[criterion.loss_name] = losses.get(criterion.loss_name, 0) + value
    return losses


def _with_labels(sample: SegDataSample, label: Tensor) -> SegDataSample:
    """Copy a data sample, with other labels (H, W)."""
    sample = sample.new()
    sample.gt_sem_seg = PixelData(data=label[None])
    return sample
