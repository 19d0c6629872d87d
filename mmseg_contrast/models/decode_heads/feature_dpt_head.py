"""MMSeg's DPT head for feature maps alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads import DPTHead
from mmseg.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class FeatureDPTHead(DPTHead):
    """The head of DPT (Ranftl et al., ICCV 2021) on four feature maps of equal size.

    MMSeg's ``DPTHead`` wants pairs of a map and a class token, which only its own ``VisionTransformer``
    gives. This one takes the lists of maps that other ViTs give, such as :class:`TransformersBackbone`,
    and reads no class token. Logits have about 8 times the resolution of the maps.

    Args:
        in_channels (int): Channels of each map.
        in_index (Sequence[int]): The four stages, from the first to the last.
        kwargs: Arguments of MMSeg's ``DPTHead``, such as ``channels`` and ``post_process_channels``.

    Raises:
        ValueError: If there are not four stages.
    """

    def __init__(self, in_channels: int, in_index: Sequence[int] = (0, 1, 2, 3), **kwargs: Any):
        if len(in_index) != 4:
            raise ValueError(
                f'FeatureDPTHead(in_index={tuple(in_index)}): the head joins four stages, give four.'
            )
        super().__init__(
            embed_dims=in_channels,
            in_channels=[in_channels] * 4,
            in_index=list(in_index),
            input_transform='multiple_select',
            **kwargs,
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return logits (B, C, h, w).

        Args:
            inputs (Sequence[Tensor]): Feature maps of the backbone's stages.
        """
        return super().forward([inputs[i] for i in self.in_index])

    def _transform_inputs(self, inputs: Sequence[Tensor]) -> list[tuple[Tensor, None]]:
        return [(stage, None) for stage in inputs]
