"""Decode heads: contrast heads that train as auxiliary heads, and DeepLabV2's head."""

from .contrast_head import ContrastHead, ConvProjector
from .deeplabv2_head import DeepLabV2Head
from .pixel_contrast_head import PixelContrastHead

__all__ = ['ContrastHead', 'ConvProjector', 'DeepLabV2Head', 'PixelContrastHead']
