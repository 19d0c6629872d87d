"""Projection heads: from features to the embeddings that are contrasted."""

from __future__ import annotations

from itertools import pairwise

from mmcv.cnn import ConvModule, build_norm_layer
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class ConvProjector(nn.Module):
    """Projection head of 1x1 convolutions with ReLU in between and no norm.

    Source: C3-SemiSeg (Zhou et al., ICCV 2021), section 4.1 (two layers).

    Args:
        in_channels (int): Channels of the feature.
        out_channels (int): Channels of the hidden layers and of the embedding.
        num_layers (int): Number of convolutions.
        init_std (float, optional): Standard deviation of the initial weights, as published there;
            None keeps PyTorch's initialisation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 256,
        num_layers: int = 2,
        init_std: float | None = 0.01,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(num_layers):
            layers += [nn.ReLU(inplace=True)] if i else []
            conv = nn.Conv2d(out_channels if i else in_channels, out_channels, 1)
            # Not by `init_cfg`: MMEngine does not reach heads in MMSeg's ModuleList.
            if init_std is not None:
                nn.init.normal_(conv.weight, std=init_std)
            layers.append(conv)
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Project features (B, D_in, h, w) to embeddings (B, D, h, w)."""
        return self.layers(x)


@MODELS.register_module()
class MLPProjector(nn.Module):
    """Projection head of two linear layers on each position, with batch norm and ReLU in between.

    Source: BYOL (Grill et al., NeurIPS 2020), as Alonso et al. (ICCV 2021), section 4.2, use it.

    Args:
        in_channels (int): Channels of the feature.
        out_channels (int): Channels of the hidden layer and of the embedding.
        norm_cfg (dict, optional): Config of the norm. Defaults to batch norm.
    """

    def __init__(
        self, in_channels: int, out_channels: int = 256, norm_cfg: dict | None = None
    ) -> None:
        super().__init__()
        _, norm = build_norm_layer(norm_cfg or {'type': 'BN'}, out_channels)
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1),
            norm,
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Project features (B, D_in, h, w) to embeddings (B, D, h, w)."""
        return self.layers(x)


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
