"""Dynamic Confident Region Selection of C3-SemiSeg."""

from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor

from ...arguments import in_range
from .base import Selector
from .rank_select import rank_select
from .top_class import TopClass


@MODELS.register_module()
class DynamicConfidentRegionSelection(Selector):
    r"""Keeps the most confident share of each predicted class, using a smoothed threshold per class.

    .. math:: \hat\delta_{t,c} = \beta \hat\delta_{t-1,c} + (1 - \beta) \delta_{t,c}

    where :math:`\delta_{t,c}` is the confidence of rank ``floor(n_c s)``, in descending order, among the
    :math:`n_c` pixels of the global batch that are predicted as class c. The thresholds are updated
    first, then applied; a class that is not predicted keeps its threshold. Source: C3-SemiSeg (Zhou et
    al., ICCV 2021), section 3.4, Eq. 6.

    The implementation works with the *doubt* :math:`1 - \delta`, for which Eq. 6 has the same form. Where
    the teacher is sure of a class, confidences differ from 1, and from each other, by less than float32
    resolves near 1, while doubts keep full precision. :func:`rank_select` finds the rank from counts
    summed over the processes: nothing is sorted, no pixel leaves the device, and all processes get the
    same thresholds. Pixels of equal doubt are kept or dropped together, so the share is only as exact as
    the logits are fine: in bfloat16, logits between 8 and 16 are 1/16 apart, which ties up to 1 % of a
    class.

    Args:
        num_classes (int): Number of classes C.
        keep_ratio (float): s, share of each class that is kept, in (0, 1]; 1 keeps everything.
        momentum (float): :math:`1 - \beta`, the weight of the new threshold, in (0, 1].
        initial (float): Initial threshold of each class, in [0, 1].
        floor (float | list[float]): Lowest threshold: one for all classes, or one for each.
        ceiling (float | list[float]): Highest threshold, likewise.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        num_classes: int,
        keep_ratio: float = 0.8,
        momentum: float = 0.1,
        initial: float = 0.9,
        floor: float | list[float] = 0.0,
        ceiling: float | list[float] = 1.0,
    ) -> None:
        super().__init__()
        in_range(
            self,
            '(0, 1]',
            'the share that is kept, where 1 keeps all pixels',
            keep_ratio=keep_ratio,
        )
        in_range(self, '(0, 1]', 'the share of the new threshold', momentum=momentum)
        self.num_classes = num_classes
        self.keep_ratio = keep_ratio
        self.momentum = momentum
        start = 0.0 if keep_ratio == 1 else initial
        self.register_buffer('doubts', torch.full((num_classes,), 1 - start))
        for key, value in (('most_doubt', floor), ('least_doubt', ceiling)):
            bound = 1 - torch.as_tensor(value, dtype=torch.float64)
            self.register_buffer(key, bound.float().expand(num_classes).clone(), persistent=False)

    @property
    def thresholds(self) -> Tensor:
        """Threshold of each class, float of shape (C,); it may round to 1."""
        return 1 - self.doubts

    @torch.no_grad()
    def forward(
        self, probs: Tensor, top: TopClass, valid: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Update the thresholds and mark the confident pixels; see :meth:`Selector.forward`."""
        # Invalid pixels are of one spare class, so that shapes never depend on the data.
        groups = top.labels.where(valid, self.num_classes).flatten()
        if self.keep_ratio < 1:
            self._update(top.doubt.flatten(), groups)
        most = torch.cat([self.doubts, self.doubts.new_full((1,), -1)])
        weight = most.index_select(0, groups).view_as(top.doubt).ge_(top.doubt)
        return weight, {'threshold_per_class': self.thresholds}

    def _update(self, doubt: Tensor, groups: Tensor) -> None:
        # In float64: a float32 product is off by whole pixels from 2^24 pixels a class on.
        current, total = rank_select(
            doubt,
            groups,
            self.num_classes,
            lambda n: torch.minimum((n * self.keep_ratio).floor() + 1, n).clamp(min=1),
        )
        smoothed = (1 - self.momentum) * self.doubts + self.momentum * current
        smoothed = torch.where(total > 0, smoothed, self.doubts)
        self.doubts.copy_(smoothed.clamp(self.least_doubt, self.most_doubt))
