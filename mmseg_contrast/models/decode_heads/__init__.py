"""Decode heads: contrast heads that train as auxiliary heads, and DeepLabV2's head."""

from .class_bank_contrast_head import ClassBankContrastHead
from .contrast_head import ContrastHead, ConvProjector, MLPProjector
from .deeplabv2_head import DeepLabV2Head
from .pixel_contrast_head import PixelContrastHead

__all__ = [
    'ClassBankContrastHead',
    'ContrastHead',
    'ConvProjector',
    'DeepLabV2Head',
    'MLPProjector',
    'PixelContrastHead',
]
