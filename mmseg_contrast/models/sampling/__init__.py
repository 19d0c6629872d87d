"""Sampling: which pixels a loss looks at."""

from .anchor_sampling import closest_anchors, gather_pixels, sample_anchors, thin_out
from .batch_ohem_pixel_sampler import BatchOHEMPixelSampler
from .class_groups import class_blocks, rows_by_class, top_per_class

__all__ = [
    'BatchOHEMPixelSampler',
    'class_blocks',
    'closest_anchors',
    'gather_pixels',
    'rows_by_class',
    'sample_anchors',
    'thin_out',
    'top_per_class',
]
