"""Losses: pure functions on tensors, and the registered modules that configs name."""

from .class_bank_contrast import class_bank_contrast
from .contrast import grouped_contrast
from .entropy import EntropyLoss, pixel_entropy
from .pixel_loss import ConsistencyLoss, PixelCrossEntropyLoss, pixel_cross_entropy
from .supervised_contrast import SupervisedContrastLoss, supervised_contrast
from .unsupervised_loss import UnsupervisedLoss

__all__ = [
    'ConsistencyLoss',
    'EntropyLoss',
    'PixelCrossEntropyLoss',
    'SupervisedContrastLoss',
    'UnsupervisedLoss',
    'class_bank_contrast',
    'grouped_contrast',
    'pixel_cross_entropy',
    'pixel_entropy',
    'supervised_contrast',
]
