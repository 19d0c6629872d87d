"""DeepLabV2's atrous spatial pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class DeepLabV2Head(BaseDecodeHead):
    r"""Classifies by the sum of parallel atrous 3x3 convolutions.

    .. math:: z = \sum_r W_r *_r x + b_r

    Source: `DeepLab <https://arxiv.org/abs/1606.00915>`_ (Chen et al., TPAMI 2018), section 3.2
    (ASPP). There is no hidden layer, hence no classifier input: contrast heads beside it take a
    backbone stage.

    Args:
        in_channels (int): Channels of the feature.
        dilations (tuple[int, ...]): Rates r. The code family of French et al. and C3-SemiSeg
            evaluates only (6, 12).
        kwargs: Arguments of MMSeg's ``BaseDecodeHead``; ``channels`` and dropout are not used.
    """

    def __init__(
        self, in_channels: int, dilations: tuple[int, ...] = (6, 12, 18, 24), **kwargs: Any
    ) -> None:
        kwargs.setdefault('init_cfg', {'type': 'Normal', 'layer': 'Conv2d', 'std': 0.01})
        super().__init__(in_channels, in_channels, dropout_ratio=0, **kwargs)
        del self.conv_seg
        self.branches = nn.ModuleList(
            nn.Conv2d(in_channels, self.out_channels, 3, padding=rate, dilation=rate)
            for rate in dilations
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Classify the pixels of the backbone's features.

        Args:
            inputs (Sequence[Tensor]): Feature maps of the backbone's stages.

        Returns:
            Tensor: Logits of shape (B, C, h, w).
        """
        x = self._transform_inputs(inputs)
        return sum(branch(x) for branch in self.branches)
