"""Drops the pixels of highest entropy, fewer of them as training goes on, as U2PL does."""

from __future__ import annotations

import math

import torch
from mmseg.registry import MODELS
from torch import Tensor

from ...arguments import in_range
from ..schedules import training_progress
from .base import Selector
from .rank_select import rank_select
from .top_class import TopClass


@MODELS.register_module()
class EntropyPercentileMask(Selector):
    r"""Keeps the pixels whose entropy is below a percentile of the global batch.

    .. math:: s(t) = 1 - (1 - s) (1 - t)

    is the share of pixels kept at progress t of the training, in [0, 1]: it grows from s to 1. Source:
    U2PL (Wang et al., CVPR 2022), section 3.3; its published code, like that of CSC, calls :math:`100 s`
    ``drop_percent``. The percentile is taken over all processes by :func:`rank_select`, without a sort;
    it also resolves the very low entropies of a confident network. Pixels of equal entropy are kept or
    dropped together.

    Args:
        keep_ratio (float): s, share of the pixels kept at the start, in (0, 1]; 1 keeps all.

    Raises:
        ValueError: If ``keep_ratio`` is out of range.
    """

    def __init__(self, keep_ratio: float = 0.8) -> None:
        super().__init__()
        in_range(
            self,
            '(0, 1]',
            'the share that is kept, where 1 keeps all pixels',
            keep_ratio=keep_ratio,
        )
        self.keep_ratio = keep_ratio

    @torch.no_grad()
    def forward(
        self, probs: Tensor, top: TopClass, valid: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mark the pixels of low entropy; see :meth:`Selector.forward`."""
        share = 1 - (1 - self.keep_ratio) * (1 - training_progress())
        _, confidence, doubt = top
        # The predicted class's own term, -p log p, comes from its doubt: near 1, p itself is too
        # coarse.
        entropy = torch.special.entr(probs.float()).sum(1) - torch.special.entr(confidence)
        entropy = (entropy - confidence * (-doubt).log1p()).clamp(min=0) / math.log(probs.shape[1])
        limit, total = rank_select(
            entropy.flatten(),
            # Invalid pixels are left out.
            (~valid).long().flatten(),
            1,
            lambda n: (n * share).ceil().clamp(min=1),
        )
        threshold = torch.where(total > 0, limit, 0).squeeze()
        return (valid & (entropy <= threshold)).float(), {'entropy_threshold': threshold}
