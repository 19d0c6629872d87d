"""What flows through a training step: targets of pixels, features, and one step's view of them."""

from .pixel_targets import PixelTargets, count_classes
from .step import Features, SemiStep

__all__ = ['Features', 'PixelTargets', 'SemiStep', 'count_classes']
