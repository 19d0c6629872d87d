"""Selectors: which of the teacher's pixels are trusted."""

from .ael_mask import AELMask
from .base import Selector
from .confidence_weight import ConfidenceWeight
from .dynamic_confident_region_selection import DynamicConfidentRegionSelection
from .entropy_percentile_mask import EntropyPercentileMask
from .threshold_mask import ThresholdMask

__all__ = [
    'AELMask',
    'ConfidenceWeight',
    'DynamicConfidentRegionSelection',
    'EntropyPercentileMask',
    'Selector',
    'ThresholdMask',
]
