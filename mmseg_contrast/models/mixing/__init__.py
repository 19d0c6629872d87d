"""Mixing: images of a batch exchange regions, on the device."""

from .base import Mixed
from .cross_set_cutmix import CrossSetCutMix

__all__ = ['CrossSetCutMix', 'Mixed']
