"""Weights pixels by the teacher's confidence."""

from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor

from ...arguments import at_least
from ...structures.running_stats import Ratio
from .base import Selector
from .top_class import TopClass


@MODELS.register_module()
class ConfidenceWeight(Selector):
    r"""Weights each pixel by a power of the teacher's confidence; none is left out.

    .. math:: \beta = (\max_c p_c)^s

    Source: Alonso et al., ICCV 2021, section 4.2 (s = 6).

    Args:
        power (float): s, at least 0.

    Raises:
        ValueError: If the power is negative.
    """

    def __init__(self, power: float = 6.0) -> None:
        super().__init__()
        at_least(self, 0, power=power)
        self.power = power

    @torch.no_grad()
    def forward(
        self, probs: Tensor, top: TopClass, valid: Tensor
    ) -> tuple[Tensor, dict[str, Ratio]]:
        """Weight the pixels; see :meth:`Selector.forward`."""
        weight = top.confidence.pow(self.power) * valid
        return weight, {'confidence_weight': Ratio(weight.sum(), valid.sum())}
