"""Drops the pixels of highest entropy, fewer and fewer of them, as U2PL does."""

from __future__ import annotations

import math

import torch
from mmengine.dist import all_reduce
from mmseg.registry import MODELS
from torch import Tensor

from ..utils.ramp import training_progress
from .base import Selector


@MODELS.register_module()
class EntropyPercentileMask(Selector):
    r"""Keeps the pixels whose entropy is below a percentile of the global batch.

    .. math:: kept(t) = 100 - (100 - drop) (1 - t) \ \%

    with t the share of the training that is done: from ``drop`` % to all of them. Source: U2PL (Wang
    et al., CVPR 2022), section 3.3, whose published code, like that of CSC, calls the percentile
    ``drop_percent``. The percentile is read from a histogram summed over the ranks, so no pixel
    leaves the device and each rank has the same threshold; the error is below ``log(C) / bins``.

    Args:
        drop (float): Percentile at the start, in (0, 100]; 100 keeps everything.
        bins (int): Entropy bins.

    Raises:
        ValueError: If ``drop`` is out of range.
    """

    def __init__(self, drop: float = 80.0, bins: int = 2048) -> None:
        super().__init__()
        if not 0 < drop <= 100:
            raise ValueError(
                f'EntropyPercentileMask(drop={drop}) is the percentile that is kept: use (0, 100].'
            )
        self.drop = drop
        self.bins = bins

    @torch.no_grad()
    def forward(self, probs: Tensor, valid: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Mark the pixels of low entropy; see :meth:`Selector.forward`."""
        share = 1 - (1 - self.drop / 100) * (1 - training_progress())
        entropy = torch.special.entr(probs.float()).sum(1) / math.log(probs.shape[1])
        bins = (entropy * self.bins).long().clamp(0, self.bins - 1)
        # Invalid pixels fall into one spare place.
        place = torch.where(valid, bins, self.bins).flatten()
        counts = torch.zeros(self.bins + 1, dtype=torch.long, device=place.device)
        counts.scatter_add_(0, place, torch.ones_like(place))
        all_reduce(counts)
        below = counts[:-1].cumsum(0)
        rank = (below[-1].double() * share).ceil().long()
        # The bin in which the pixel of that rank lies is kept as a whole.
        last = torch.searchsorted(below, rank.unsqueeze(0))
        threshold = (last.squeeze(0).clamp(max=self.bins - 1) + 1) / self.bins
        return (valid & (bins <= last)).float(), {'entropy_threshold': threshold}
