"""Selectors: which of the teacher's pixels are trusted."""

from .confidence_weight import ConfidenceWeight
from .dynamic_confident_region_selection import DynamicConfidentRegionSelection
from .threshold_mask import ThresholdMask

__all__ = ['ConfidenceWeight', 'DynamicConfidentRegionSelection', 'ThresholdMask']
