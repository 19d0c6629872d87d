"""What flows through a training step: images with their targets, features, and the step as losses see it."""

from .batch import LabeledImages, PseudoLabels
from .pixel_targets import PixelTargets, count_classes
from .step import Features, SemiStep, StudentOutput

__all__ = [
    'Features',
    'LabeledImages',
    'PixelTargets',
    'PseudoLabels',
    'SemiStep',
    'StudentOutput',
    'count_classes',
]
