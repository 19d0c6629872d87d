"""Small parts that the models share."""

from .anchor_sampling import gather_pixels, sample_anchors
from .dist import gather_own_first, reduce_mean
from .ema import NamedEMA
from .ramp import Ramp, current_iter
from .supervised import supervised_losses

__all__ = [
    'NamedEMA',
    'Ramp',
    'current_iter',
    'gather_own_first',
    'gather_pixels',
    'reduce_mean',
    'sample_anchors',
    'supervised_losses',
]
