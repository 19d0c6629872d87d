"""Projection head with spatial context and norms."""

from __future__ import annotations

from itertools import pairwise

from mmcv.cnn import ConvModule
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class ConvNormProjector(nn.Sequential):
    """Convolutions of 3x3 with norm and ReLU, and one of 1x1 without.

    Source: the projection head of CSC, section IV-B: two of the former, 512 to 256 channels, the
    twin of :class:`DeepLabV3PlusHead`'s classifier.

    Args:
        in_channels (int): Channels of the feature.
        out_channels (int): Channels of the hidden layers and of the embedding.
        num_convs (int): Number of 3x3 convolutions.
        norm_cfg (dict): Config of the norm.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 256,
        num_convs: int = 2,
        norm_cfg: dict | None = None,
    ) -> None:
        norm_cfg = norm_cfg or {'type': 'BN'}
        widths = [in_channels] + [out_channels] * num_convs
        layers = [
            ConvModule(wide, out, 3, padding=1, norm_cfg=norm_cfg) for wide, out in pairwise(widths)
        ]
        super().__init__(*layers, nn.Conv2d(widths[-1], out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Project features (B, D_in, h, w) to embeddings (B, D, h, w)."""
        return super().forward(x)
