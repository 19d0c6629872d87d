"""Data sets, samplers and transforms."""

from .camvid import CamVidDataset
from .gta5 import GTA5Dataset
from .mosaic import MosaicDataset
from .msrc21 import MSRC21Dataset
from .multi_source_dataset import MultiSourceDataset
from .samplers import MultiSourceSampler
from .transforms import (
    ColorJitter,
    LoadAnnotations,
    LoadImageFromFile,
    LoadValidMap,
    MultiBranch,
    RandAugmentColor,
    RandomGaussianBlur,
)
from .unlabeled import UnlabeledDataset

__all__ = [
    'CamVidDataset',
    'ColorJitter',
    'GTA5Dataset',
    'LoadAnnotations',
    'LoadImageFromFile',
    'LoadValidMap',
    'MSRC21Dataset',
    'MosaicDataset',
    'MultiBranch',
    'MultiSourceDataset',
    'MultiSourceSampler',
    'RandAugmentColor',
    'RandomGaussianBlur',
    'UnlabeledDataset',
]
