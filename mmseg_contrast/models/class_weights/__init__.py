"""Weights of the classes in the losses."""

from .base import ClassWeights
from .median_frequency_weights import MedianFrequencyWeights, median_frequency_weights

__all__ = ['ClassWeights', 'MedianFrequencyWeights', 'median_frequency_weights']
