"""Backbones of timm, for images of any size."""

from __future__ import annotations

from typing import Any

from mmseg.models.backbones import TIMMBackbone
from mmseg.registry import MODELS
from torch import Tensor

from ...arguments import at_least
from .patch_grid import on_patch_grid


@MODELS.register_module()
class PaddedTIMMBackbone(TIMMBackbone):
    """MMSeg's ``TIMMBackbone`` that pads images to its patches, see :func:`on_patch_grid`.

    Weights come from the hub of timm (``pretrained=True``, the default) or from a file
    (``pretrained=False, checkpoint_path=...``).

    Args:
        size_divisor (int): What the height and width of the images must be multiples of: the patch of a
            ViT (14 for DINOv2, 16 for DINOv3 and SigLIP), 32 for a pyramid such as ConvNeXt V2.
        kwargs: Arguments of MMSeg's ``TIMMBackbone``. ViTs also need ``dynamic_img_size=True``.
    """

    def __init__(self, size_divisor: int = 32, **kwargs: Any) -> None:
        at_least(self, 1, size_divisor=size_divisor)
        super().__init__(**kwargs)
        self.size_divisor = size_divisor

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the feature maps, each (B, D_i, h_i, w_i).

        Args:
            images (Tensor): Images of shape (B, 3, H, W).
        """
        return on_patch_grid(super().forward, images, self.size_divisor)
