"""Weights of the classes in the losses."""

from .median_frequency_weights import MedianFrequencyWeights, median_frequency_weights

__all__ = ['MedianFrequencyWeights', 'median_frequency_weights']
