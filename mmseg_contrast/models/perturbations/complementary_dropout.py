"""Dropout of the channels of two views, each of which keeps what the other loses."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.registry import MODELS
from torch import Tensor

from ...arguments import in_range
from .base import ViewPerturbation


@MODELS.register_module()
class ComplementaryDropout(ViewPerturbation):
    r"""Shares the channels of two views' features out: what one view loses, the other has doubled.

    .. math:: x_1' = 2 m \odot x_1, \quad x_2' = 2 (1 - m) \odot x_2, \quad m_{bd} \sim Bernoulli(1/2)

    with one mask for each image and stage; stages with the same number of channels share it, as those of
    a ViT do in the published code. The images of a share of the batch are spared: they stay as they are in
    both views. Source: UniMatch V2 (Yang et al., TPAMI 2025), section 3.3.

    Args:
        spared (float): Share of the images that are spared, in [0, 1]; rounded down to whole images.

    Raises:
        ValueError: If the share is out of range.
    """

    num_views = 2

    def __init__(self, spared: float = 0.5) -> None:
        super().__init__()
        in_range(self, '[0, 1]', 'a share', spared=spared)
        self.spared = spared

    def forward(self, views: Sequence[Sequence[Tensor]]) -> list[list[Tensor]]:
        """Perturb two views; see :meth:`ViewPerturbation.forward`."""
        first, second = views
        batch, device = len(first[0]), first[0].device
        spared = torch.randperm(batch, device=device) < int(batch * self.spared)
        masks: dict[int, Tensor] = {}
        for width in dict.fromkeys(stage.shape[1] for stage in first):
            kept = 2.0 * (torch.rand(batch, width, 1, 1, device=device) < 0.5)
            masks[width] = torch.where(spared[:, None, None, None], 1.0, kept)
        own = [masks[stage.shape[1]].to(stage.dtype) for stage in first]
        return [
            [mask * stage for mask, stage in zip(own, first)],
            [(2 - mask) * stage for mask, stage in zip(own, second)],
        ]
