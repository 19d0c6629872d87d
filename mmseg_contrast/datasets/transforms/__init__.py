"""Transforms: loading, branches, valid maps and photometric augmentation."""

from .color_jitter import ColorJitter
from .load_annotations import LoadAnnotations
from .load_image_from_file import LoadImageFromFile
from .load_valid_map import LoadValidMap
from .multi_branch import MultiBranch
from .rand_augment_color import RandAugmentColor
from .random_gaussian_blur import RandomGaussianBlur

__all__ = [
    'ColorJitter',
    'LoadAnnotations',
    'LoadImageFromFile',
    'LoadValidMap',
    'MultiBranch',
    'RandAugmentColor',
    'RandomGaussianBlur',
]
