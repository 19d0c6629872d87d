"""Small parts that the models share."""

from .anchor_sampling import gather_pixels, sample_anchors, thin_out
from .dist import gather_with_grad, reduce_mean
from .ema import NamedEMA
from .ramp import Ramp, current_iter, training_progress
from .supervised import supervised_losses

__all__ = [
    'NamedEMA',
    'Ramp',
    'current_iter',
    'gather_pixels',
    'gather_with_grad',
    'reduce_mean',
    'sample_anchors',
    'supervised_losses',
    'thin_out',
    'training_progress',
]
