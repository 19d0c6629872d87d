"""DeepLabV3+ with a classifier of plain convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.aspp_head import ASPPHead
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class DeepLabV3PlusHead(ASPPHead):
    """ASPP, joined with a low-level feature, and a classifier of two 3x3 convolutions.

    Source: DeepLabV3+ (Chen et al., ECCV 2018), with plain convolutions. The paper's has 48 low-level
    channels and joins the branches of the ASPP by a 1x1 convolution; that of U2PL and CSC (section
    IV-B) has as many low-level as ASPP channels and a 3x3 convolution there. The part ``classifier``
    gets ``c1_channels + channels`` channels, as CSC's projection head does
    (``in_index='decode.classifier'``). MMSeg's ``DepthwiseSeparableASPPHead`` is the lighter form.

    Args:
        c1_in_channels (int): Channels of the first stage of the backbone.
        c1_channels (int): Channels that it is reduced to.
        bottleneck_size (int): Kernel size of the convolution that joins the branches of the ASPP, odd.
        kwargs: Arguments of MMSeg's ``ASPPHead``.
    """

    def __init__(
        self, c1_in_channels: int, c1_channels: int = 256, bottleneck_size: int = 3, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        options = {
            'conv_cfg': self.conv_cfg,
            'norm_cfg': self.norm_cfg,
            'act_cfg': self.act_cfg,
        }
        branches = self.bottleneck.in_channels
        size, padding = bottleneck_size, bottleneck_size // 2
        self.bottleneck = ConvModule(branches, self.channels, size, padding=padding, **options)
        self.c1_bottleneck = ConvModule(c1_in_channels, c1_channels, 1, **options)
        self.classifier = nn.Sequential(
            ConvModule(c1_channels + self.channels, self.channels, 3, padding=1, **options),
            ConvModule(self.channels, self.channels, 3, padding=1, **options),
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return logits (B, C, h, w) at the resolution of the first stage.

        Args:
            inputs (Sequence[Tensor]): Feature maps of the backbone's stages.
        """
        low = self.c1_bottleneck(inputs[0])
        high = resize(
            self._forward_feature(inputs),
            size=low.shape[2:],
            mode='bilinear',
            align_corners=self.align_corners,
        )
        return self.cls_seg(self.classifier(torch.cat([low, high], 1)))
