"""Backbones, and what makes one of any backbone."""

from .frozen_backbone import FrozenBackbone
from .padded_timm_backbone import PaddedTIMMBackbone
from .transformers_backbone import TransformersBackbone

__all__ = ['FrozenBackbone', 'PaddedTIMMBackbone', 'TransformersBackbone']
