"""Transforms: branches, valid maps and photometric augmentation."""

from .color_jitter import ColorJitter
from .load_valid_map import LoadValidMap
from .multi_branch import MultiBranch
from .rand_augment_color import RandAugmentColor
from .random_gaussian_blur import RandomGaussianBlur

__all__ = [
    'ColorJitter',
    'LoadValidMap',
    'MultiBranch',
    'RandAugmentColor',
    'RandomGaussianBlur',
]
