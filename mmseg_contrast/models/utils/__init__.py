"""Small parts that the models share."""

from .anchor_sampling import closest_anchors, gather_pixels, sample_anchors, thin_out
from .class_groups import class_blocks, rows_by_class, top_per_class
from .class_selectors import ClassBatchNorm, ClassSelectors
from .dist import gather_own_first, gather_with_grad, reduce_mean, reduce_sum
from .ema import NamedEMA
from .ramp import Ramp, check_length, current_iter, in_iterations, log_progress, training_progress
from .rank_select import rank_select
from .required_hook import RequiredHook
from .slots import build_slot
from .supervised import supervised_losses
from .top_class import TopClass, top_class

__all__ = [
    'ClassBatchNorm',
    'ClassSelectors',
    'NamedEMA',
    'Ramp',
    'RequiredHook',
    'TopClass',
    'build_slot',
    'check_length',
    'class_blocks',
    'closest_anchors',
    'current_iter',
    'gather_own_first',
    'gather_pixels',
    'gather_with_grad',
    'in_iterations',
    'log_progress',
    'rank_select',
    'reduce_mean',
    'reduce_sum',
    'rows_by_class',
    'sample_anchors',
    'supervised_losses',
    'thin_out',
    'top_class',
    'top_per_class',
    'training_progress',
]
