"""Decode heads: contrast heads that train as auxiliary heads, and heads that MMSeg lacks."""

from .class_bank_contrast_head import ClassBankContrastHead
from .contrast_head import ContrastHead
from .csc_contrast_head import CSCContrastHead
from .deeplabv2_head import DeepLabV2Head
from .deeplabv3plus_head import DeepLabV3PlusHead
from .feature_dpt_head import FeatureDPTHead
from .pixel_contrast_head import PixelContrastHead
from .projectors import ConvNormProjector, ConvProjector, MLPProjector

__all__ = [
    'CSCContrastHead',
    'ClassBankContrastHead',
    'ContrastHead',
    'ConvNormProjector',
    'ConvProjector',
    'DeepLabV2Head',
    'DeepLabV3PlusHead',
    'FeatureDPTHead',
    'MLPProjector',
    'PixelContrastHead',
]
