"""Cross-entropy of pixels with an explicit normaliser."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmseg.models.losses.utils import get_class_weight, weight_reduce_loss
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...arguments import one_of
from ...structures import PixelTargets
from ...structures.running_stats import Ratio
from ..device import without_autocast
from ..distributed import reduce_mean
from ..schedules import Ramp, current_iter
from .unsupervised_loss import UnsupervisedLoss

NORMS = ('valid', 'image', 'all', 'coverage', 'class_weight')


def pixel_cross_entropy(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    norm: str = 'valid',
    ignore_index: int = 255,
) -> Tensor:
    r"""Average the weighted cross-entropy of the pixels, with hard or soft labels.

    .. math:: L = \frac{1}{Z} \sum_i w_i \, \sum_c -\alpha_c p_{ic} \log softmax(z_i)_c

    where Z is

    - ``norm='valid'``: :math:`\sum_i w_i`, for the mean over the pixels that count;
    - ``norm='image'``: :math:`B \sum_{i \in b(i)} w_i` with b(i) the image of pixel i and B the number of
      images, for the mean over images of the mean over each image's pixels that count; an image without
      any contributes 0 (Eq. 1 and 2 of C3-SemiSeg);
    - ``norm='all'``: the number N of all pixels;
    - ``norm='coverage'``: :math:`(\sum_i w_i)^2 / N`, for the mean over the pixels that count divided
      by their share of all pixels (published code of U2PL);
    - ``norm='class_weight'``: :math:`\sum_i w_i \sum_c \alpha_c p_{ic}`, as PyTorch's own mean does.

    In distributed training Z is the mean over the ranks, so that the averaged gradient is that of the
    joint batch. No host sync; 0 where no pixel counts.

    Args:
        logits (Tensor): Logits of shape (B, C, H, W).
        target (Tensor): Integer labels (B, H, W), or probabilities (B, C, H, W).
        weight (Tensor, optional): Weight of each pixel, (B, H, W). Defaults to 1 wherever the label
            is not ignored.
        class_weight (Tensor, optional): :math:`\alpha`, factor of each class, (C,).
        norm (str): What Z is.
        ignore_index (int): Hard label that never counts.

    Returns:
        Tensor: A scalar in float32.
    """
    loss, valid = pixel_losses(logits, target, class_weight, ignore_index)
    if weight is not None:
        valid = valid * weight
    if norm == 'image':
        counted = valid.sum((1, 2), keepdim=True)
        valid = valid / torch.where(counted > 0, counted, 1)
    number = {'all': loss.numel(), 'image': len(loss)}.get(norm)
    if number is not None:
        total = loss.new_full((), number)
    elif norm == 'class_weight' and class_weight is not None:
        total = (valid * _factors(target, class_weight, ignore_index)).sum()
    else:
        total = valid.sum()
    total = reduce_mean(total)
    if norm == 'coverage':
        total = total.square() / loss.numel()
    return (loss * valid).sum() / torch.where(total > 0, total, 1)


def pixel_losses(
    logits: Tensor,
    target: Tensor,
    class_weight: Tensor | None = None,
    ignore_index: int = 255,
) -> tuple[Tensor, Tensor]:
    r"""Cross-entropy of each pixel, before :func:`pixel_cross_entropy` weighs and averages it.

    Args:
        logits (Tensor): Logits of shape (B, C, H, W).
        target (Tensor): Integer labels (B, H, W), or probabilities (B, C, H, W).
        class_weight (Tensor, optional): :math:`\alpha`, factor of each class, (C,).
        ignore_index (int): Hard label that never counts.

    Returns:
        tuple[Tensor, Tensor]: The losses, 0 where the label is ignored, and where it is not (1 or 0);
        both of shape (B, H, W), in float32 (float64 for such logits).
    """
    with without_autocast(logits):
        if logits.dtype != torch.float64:
            logits = logits.float()
        if target.is_floating_point():
            if class_weight is not None:
                target = target * class_weight[:, None, None]
            loss = -(target * logits.log_softmax(1)).sum(1)
            return loss, torch.ones_like(loss)
        loss = F.cross_entropy(
            logits, target, class_weight, ignore_index=ignore_index, reduction='none'
        )
        return loss, (target != ignore_index).to(loss)


def _factors(target: Tensor, class_weight: Tensor, ignore_index: int) -> Tensor:
    if target.is_floating_point():
        return torch.einsum('bchw,c->bhw', target, class_weight)
    return class_weight[target.masked_fill(target == ignore_index, 0)]


@MODELS.register_module()
class PixelCrossEntropyLoss(nn.Module):
    """Supervised cross-entropy for ``loss_decode``: mean over the labelled pixels, no host sync.

    MMSeg's ``CrossEntropyLoss`` reads counts back to the host in each step and fails for class
    weights with ignored pixels; this one does neither.

    Args:
        class_weight (list[float] | str, optional): Factor of each class, or a file of them, as MMSeg's
            losses take it.
        norm (str): ``'valid'`` divides by the number of labelled pixels, ``'image'`` by that of each
            image and by the number of images, ``'all'`` by that of all pixels, ``'coverage'`` by that of
            the labelled pixels and by their share, ``'class_weight'`` by the sum of their class factors.
        loss_weight (float): Factor of the loss.
        loss_name (str): Log key, starts with ``loss_``.

    Raises:
        ValueError: If ``norm`` is unknown.
    """

    def __init__(
        self,
        class_weight: list[float] | str | None = None,
        norm: str = 'valid',
        loss_weight: float = 1.0,
        loss_name: str = 'loss_ce',
    ) -> None:
        super().__init__()
        one_of(self, NORMS, norm=norm)
        self.norm = norm
        self.loss_weight = loss_weight
        self.loss_name = loss_name
        weight = get_class_weight(class_weight)
        weight = None if weight is None else torch.as_tensor(weight, dtype=torch.float32)
        self.register_buffer('class_weight', weight, persistent=False)

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
        ignore_index: int = 255,
        class_weight: Tensor | None = None,
    ) -> Tensor:
        """Return the weighted loss; MMSeg's heads and samplers call it as they call MMSeg's losses.

        Args:
            cls_score (Tensor): Logits of shape (B, C, H, W).
            label (Tensor): Integer labels of shape (B, H, W).
            weight (Tensor, optional): Weight of each pixel, as MMSeg's pixel samplers give it.
            avg_factor (float, optional): Divides the sum over the pixels instead of ``norm``.
            reduction_override (str, optional): ``'none'`` returns the losses of the pixels, of shape
                (B, H, W), ``'sum'`` their sum; ``'mean'`` changes nothing.
            ignore_index (int): Label that never counts.
            class_weight (Tensor, optional): This step's factor of each class, (C,), instead of the
                config's.

        Raises:
            ValueError: If ``reduction_override`` is unknown, or ``'sum'`` with ``avg_factor``.
        """
        if class_weight is None:
            class_weight = self.class_weight
        if reduction_override in (None, 'mean') and avg_factor is None:
            return self.loss_weight * pixel_cross_entropy(
                cls_score, label, weight, class_weight, self.norm, ignore_index
            )
        loss, _ = pixel_losses(cls_score, label, class_weight, ignore_index)
        reduction = reduction_override or 'mean'
        return self.loss_weight * weight_reduce_loss(loss, weight, reduction, avg_factor)


@MODELS.register_module()
class ConsistencyLoss(UnsupervisedLoss):
    r"""Cross-entropy between the student's predictions and the teacher's on the unlabelled images.

    .. math::
        L = \lambda \, r(i) \, \frac{1}{\sum w} \sum_p w_p \sum_c -T(A x)_{pc} \log S(\hat A x)_{pc}

    Source: C3-SemiSeg (Zhou et al., ICCV 2021), Eq. 2 with the weight of Eq. 7, averaged as in its
    published code; ``norm='image'`` averages as Eq. 2 does. With hard labels, weights that are a
    power of the confidence, and ``norm='all'``, it is Eq. 6 of Alonso et al. (ICCV 2021).

    Args:
        loss_weight (float): :math:`\lambda`.
        hard (bool): Whether to use the teacher's most likely class instead of its probabilities.
        norm (str): ``'valid'`` divides by the sum of the weights, ``'image'`` (Eq. 2) by that of each
            image and by the number of images, ``'all'`` by all pixels, ``'coverage'`` by the sum of the
            weights and by its share of all pixels: the fewer pixels are kept, the more each counts
            (published code of U2PL and CSC).
        ramp (dict, optional): Arguments of :class:`Ramp`; None means a weight of 1 throughout.

    Raises:
        ValueError: If ``norm`` is unknown.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        hard: bool = False,
        norm: str = 'valid',
        ramp: dict | None = None,
    ) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.needs_probs = not hard
        one_of(self, NORMS, norm=norm)
        self.norm = norm
        self.ramp = Ramp(**(ramp or {}))

    def forward(
        self, logits: Tensor, targets: PixelTargets, class_weight: Tensor | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Ratio | float]]:
        """Return the weighted loss and its statistics; see :meth:`UnsupervisedLoss.forward`."""
        labels = targets.probs if self.needs_probs else targets.labels
        raw = pixel_cross_entropy(logits, labels, targets.weight, class_weight, self.norm)
        ramp = self.ramp(current_iter())
        return (
            {'loss_consistency': self.loss_weight * ramp * raw},
            {
                'consistency_raw': Ratio(raw.detach(), (targets.weight > 0).any()),
                'consistency_ramp': ramp,
            },
        )
