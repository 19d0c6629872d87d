"""Dynamic Confident Region Selection of C3-SemiSeg."""

from __future__ import annotations

import torch
from mmengine.dist import all_reduce
from mmseg.registry import MODELS
from torch import Tensor

from .base import Selector


@MODELS.register_module()
class DynamicConfidentRegionSelection(Selector):
    r"""Keeps the most confident share of each predicted class, by a smoothed threshold per class.

    .. math:: \hat\delta_{t,c} = \beta \hat\delta_{t-1,c} + (1 - \beta) \delta_{t,c}

    where :math:`\delta_{t,c}` is the confidence of rank ``floor(n_c s)``, in descending order, among
    the :math:`n_c` pixels of the global batch that are predicted as class c. The thresholds are
    updated first, then applied; a class that is not predicted keeps its own. Source: C3-SemiSeg (Zhou
    et al., ICCV 2021), section 3.4, Eq. 6.

    The rank is read from a histogram of (class, confidence), summed over the ranks: no sort, no
    pixel leaves the device, and each rank has the same thresholds. The error against the exact
    rank is below ``1 / bins``.

    Args:
        num_classes (int): Number of classes C.
        keep_ratio (float): s, share of each class that is kept, in (0, 1]; 1 keeps everything.
        momentum (float): :math:`\beta`, share of the old threshold, in [0, 1).
        initial (float): First threshold of each class.
        floor (float | list[float]): Lowest threshold, for all classes or for each.
        ceiling (float | list[float]): Highest threshold, for all classes or for each.
        bins (int): Confidence bins.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self,
        num_classes: int,
        keep_ratio: float = 0.8,
        momentum: float = 0.9,
        initial: float = 0.9,
        floor: float | list[float] = 0.0,
        ceiling: float | list[float] = 1.0,
        bins: int = 2048,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if not 0 < keep_ratio <= 1:
            raise ValueError(
                f'{name}(keep_ratio={keep_ratio}) must be in (0, 1]; 1 keeps all pixels.'
            )
        if not 0 <= momentum < 1:
            raise ValueError(
                f'{name}(momentum={momentum}) is the share of the old threshold: use [0, 1).'
            )
        self.num_classes = num_classes
        self.keep_ratio = keep_ratio
        self.momentum = momentum
        self.bins = bins
        start = 0.0 if keep_ratio == 1 else initial
        self.register_buffer('thresholds', torch.full((num_classes,), start))
        for key, value in (('floor', floor), ('ceiling', ceiling)):
            bound = torch.as_tensor(value, dtype=torch.float32).expand(num_classes).clone()
            self.register_buffer(key, bound, persistent=False)

    @torch.no_grad()
    def forward(self, probs: Tensor, valid: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Update the thresholds and mark the confident pixels.

        Args:
            probs (Tensor): Teacher probabilities of shape (B, C, H, W).
            valid (Tensor): Bool of shape (B, H, W); False for padding and rotation borders.

        Returns:
            tuple[Tensor, dict]: Weights in {0, 1} of shape (B, H, W), and what to log.
        """
        confidence, labels = probs.float().max(1)
        if self.keep_ratio < 1:
            self._update(confidence, labels, valid)
        weight = (confidence >= self.thresholds[labels]) & valid
        return weight.float(), {'threshold_per_class': self.thresholds.clone()}

    def _update(self, confidence: Tensor, labels: Tensor, valid: Tensor) -> None:
        bins = (confidence * self.bins).long().clamp(0, self.bins - 1)
        # Invalid pixels fall into one spare place, so that shapes never depend on the data.
        size = self.num_classes * self.bins
        place = torch.where(valid, labels * self.bins + bins, size).flatten()
        counts = torch.zeros(size + 1, dtype=torch.long, device=place.device)
        counts.scatter_add_(0, place, torch.ones_like(place))
        counts = counts[:-1].view(self.num_classes, self.bins)
        all_reduce(counts)

        total = counts.sum(1)
        # In float64: a float32 product is off by whole pixels from 2^24 pixels a class on.
        rank = (total.double() * self.keep_ratio).floor().long()
        rank = torch.minimum(rank, (total - 1).clamp(min=0))
        from_top = counts.flip(1).cumsum(1)
        bin_from_top = torch.searchsorted(from_top, (rank + 1).unsqueeze(1)).squeeze(1)
        # The lower edge of the bin: what shares the bin with the pixel of that rank is kept with it.
        current = (self.bins - 1 - bin_from_top).clamp(min=0).to(self.thresholds) / self.bins
        smoothed = self.momentum * self.thresholds + (1 - self.momentum) * current
        smoothed = torch.where(total > 0, smoothed, self.thresholds)
        self.thresholds.copy_(smoothed.clamp(self.floor, self.ceiling))
