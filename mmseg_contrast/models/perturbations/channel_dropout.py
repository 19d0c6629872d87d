"""Dropout of whole channels of the backbone's features."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor

from ...arguments import in_range
from .base import ViewPerturbation


@MODELS.register_module()
class ChannelDropout(ViewPerturbation):
    """Drops each channel of each image's features with one probability, and scales the rest up.

    Source: the feature perturbation of UniMatch (Yang et al., CVPR 2023), section 3.2, which drops
    half of the channels that enter the decoder.

    Args:
        prob (float): Probability of dropping a channel, in [0, 1).
        stages (Sequence[int], optional): Indices of the stages that lose channels; all by default.

    Raises:
        ValueError: If the probability is out of range.
    """

    def __init__(self, prob: float = 0.5, stages: Sequence[int] | None = None) -> None:
        super().__init__()
        in_range(self, '[0, 1)', 'a probability', prob=prob)
        self.prob = prob
        self.stages = stages

    def forward(self, views: Sequence[Sequence[Tensor]]) -> list[list[Tensor]]:
        """Perturb each view on its own; see :meth:`ViewPerturbation.forward`."""
        return [self._drop(stages) for stages in views]

    def _drop(self, stages: Sequence[Tensor]) -> list[Tensor]:
        chosen = range(len(stages)) if self.stages is None else self.stages
        chosen = {index % len(stages) for index in chosen}
        return [F.dropout2d(x, self.prob) if i in chosen else x for i, x in enumerate(stages)]
