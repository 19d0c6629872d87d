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

    Needs the package ``timm``, and torchvision with it. Weights are loaded in :meth:`init_weights`, so that
    neither a teacher nor a test looks for them.

    Args:
        size_divisor (int): What the height and width of the images must be multiples of: the patch of a
            ViT (14 for DINOv2, 16 for DINOv3 and SigLIP), 32 for a pyramid such as ConvNeXt V2.
        pretrained (bool): Whether to start from the weights that timm has on the Hugging Face hub.
        init_cfg (dict, optional): ``dict(type='Pretrained', checkpoint=...)`` with a local file of timm's
            weights instead.
        kwargs: Arguments of MMSeg's ``TIMMBackbone``. ViTs also need ``dynamic_img_size=True``.

    Raises:
        ValueError: If ``init_cfg`` is of another type.
    """

    def __init__(
        self,
        size_divisor: int = 32,
        pretrained: bool = True,
        init_cfg: dict | None = None,
        **kwargs: Any,
    ) -> None:
        at_least(self, 1, size_divisor=size_divisor)
        if init_cfg is not None and init_cfg.get('type') != 'Pretrained':
            raise ValueError(
                f"PaddedTIMMBackbone(init_cfg={init_cfg}): give dict(type='Pretrained', checkpoint=...) "
                'or None.'
            )
        super().__init__(pretrained=False, **kwargs)
        self.size_divisor = size_divisor
        self.init_cfg = init_cfg
        self.pretrained = pretrained
        self.options = kwargs

    def init_weights(self) -> None:
        """Load the pretrained weights, if there are to be any."""
        self.is_init = True
        local = {}
        if self.init_cfg is not None:
            local = {'pretrained_cfg_overlay': {'file': self.init_cfg['checkpoint']}}
        elif not self.pretrained:
            return
        loaded = TIMMBackbone(pretrained=True, **local, **self.options)
        self.load_state_dict(loaded.state_dict())

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the feature maps, each (B, D_i, h_i, w_i).

        Args:
            images (Tensor): Images of shape (B, 3, H, W).
        """
        return on_patch_grid(super().forward, images, self.size_divisor)
