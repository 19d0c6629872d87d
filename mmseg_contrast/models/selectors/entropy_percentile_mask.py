"""Drops the pixels of highest entropy, fewer and fewer of them, as U2PL does."""

from __future__ import annotations

import math

import torch
from mmseg.registry import MODELS
from torch import Tensor

from ..utils.ramp import training_progress
from ..utils.rank_select import rank_select
from ..utils.top_class import top_class
from .base import Selector


@MODELS.register_module()
class EntropyPercentileMask(Selector):
    r"""Keeps the pixels whose entropy is below a percentile of the global batch.

    .. math:: kept(t) = 100 - (100 - drop) (1 - t) \ \%

    with t the share of the training that is done: from ``drop`` % to all of them. Source: U2PL (Wang
    et al., CVPR 2022), section 3.3, whose published code, like that of CSC, calls the percentile
    ``drop_percent``. The percentile is that of all processes, found by :func:`rank_select` without a
    sort; it tells the low entropies of a sure net apart too. Equal entropies are kept together.

    Args:
        drop (float): Percentile at the start, in (0, 100]; 100 keeps everything.

    Raises:
        ValueError: If ``drop`` is out of range.
    """

    def __init__(self, drop: float = 80.0) -> None:
        super().__init__()
        if not 0 < drop <= 100:
            raise ValueError(
                f'EntropyPercentileMask(drop={drop}) is the percentile that is kept: use (0, 100].'
            )
        self.drop = drop

    @torch.no_grad()
    def forward(self, probs: Tensor, valid: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Mark the pixels of low entropy; see :meth:`Selector.forward`."""
        share = 1 - (1 - self.drop / 100) * (1 - training_progress())
        probs = probs.float()
        _, confidence, doubt = top_class(probs)
        # The term of the predicted class, -p log p, from its doubt: near 1, p has lost what decides.
        entropy = torch.special.entr(probs).sum(1) - torch.special.entr(confidence)
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
