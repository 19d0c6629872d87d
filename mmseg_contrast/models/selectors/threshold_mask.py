"""One fixed confidence threshold, as in FixMatch."""

from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor

from ...arguments import in_range
from .base import Selector
from .top_class import TopClass


@MODELS.register_module()
class ThresholdMask(Selector):
    """Keeps the pixels whose confidence reaches one fixed threshold.

    Source: FixMatch (Sohn et al., NeurIPS 2020), Eq. 4, for each pixel.

    Args:
        threshold (float): Lowest confidence that is kept, in [0, 1].

    Raises:
        ValueError: If the threshold is out of range.
    """

    def __init__(self, threshold: float = 0.95) -> None:
        super().__init__()
        in_range(self, '[0, 1]', 'a probability', threshold=threshold)
        self.threshold = threshold

    @torch.no_grad()
    def forward(
        self, probs: Tensor, top: TopClass, valid: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mark the confident pixels; see :meth:`Selector.forward`."""
        return ((top.confidence >= self.threshold) & valid).float(), {}
