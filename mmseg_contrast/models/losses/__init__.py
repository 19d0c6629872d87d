"""Losses: pure functions on tensors, and the registered modules that configs name."""

from .contrast import grouped_contrast
from .pixel_loss import ConsistencyLoss, PixelCrossEntropyLoss, pixel_cross_entropy
from .supervised_contrast import SupervisedContrastLoss, supervised_contrast

__all__ = [
    'ConsistencyLoss',
    'PixelCrossEntropyLoss',
    'SupervisedContrastLoss',
    'grouped_contrast',
    'pixel_cross_entropy',
    'supervised_contrast',
]
