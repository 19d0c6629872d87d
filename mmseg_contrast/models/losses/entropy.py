"""Entropy of the student's predictions."""

from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor

from ...structures import PixelTargets
from ...structures.running_stats import Ratio
from ..device import without_autocast
from ..distributed import reduce_mean
from ..schedules import Ramp, current_iter
from .unsupervised_loss import UnsupervisedLoss


def pixel_entropy(logits: Tensor, valid: Tensor) -> Tensor:
    r"""Mean entropy, in nats, of the predicted distributions of the valid pixels.

    .. math:: L = -\frac{1}{N} \sum_n \sum_c p_{nc} \log p_{nc}

    In distributed training N is the mean over the ranks, so that the averaged gradient is that of
    the joint batch. 0 where no pixel is valid.

    Args:
        logits (Tensor): Logits of shape (B, C, H, W).
        valid (Tensor): Bool of shape (B, H, W).

    Returns:
        Tensor: A scalar in float32 (float64 for such logits), in ``[0, log C]``.
    """
    with without_autocast(logits):
        if logits.dtype != torch.float64:
            logits = logits.float()
        log_probs = logits.log_softmax(1)
        entropy = -(log_probs.exp() * log_probs).sum(1)
        total = reduce_mean(valid.to(entropy).sum())
        return (entropy * valid).sum() / torch.where(total > 0, total, 1)


@MODELS.register_module()
class EntropyLoss(UnsupervisedLoss):
    """Minimises the entropy of the student's predictions on the unlabelled images.

    Source: Alonso et al., ICCV 2021, Eq. 7; mean over the pixels whose pseudo-label is not ignored.

    Args:
        loss_weight (float): Factor of the loss.
        ramp (dict, optional): Arguments of :class:`Ramp`; None means a weight of 1 throughout.
    """

    def __init__(self, loss_weight: float = 0.01, ramp: dict | None = None) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.ramp = Ramp(**(ramp or {}))

    def forward(
        self, logits: Tensor, targets: PixelTargets, class_weight: Tensor | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Ratio]]:
        """Return the weighted loss and its statistics; see :meth:`UnsupervisedLoss.forward`."""
        valid = targets.labels != targets.ignore_index
        raw = pixel_entropy(logits, valid)
        ramp = self.ramp(current_iter())
        return {'loss_entropy': self.loss_weight * ramp * raw}, {
            'entropy_raw': Ratio(raw.detach(), valid.any())
        }
