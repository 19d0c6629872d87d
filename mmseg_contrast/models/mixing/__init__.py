"""Mixing: images of a batch exchange regions or change as a whole, on the device."""

from .augmented_views import AugmentedViews
from .base import Mixed, Mixing
from .class_mix import ClassMix
from .cross_set_cutmix import CrossSetCutMix
from .ring_cutmix import RingCutMix

__all__ = ['AugmentedViews', 'ClassMix', 'CrossSetCutMix', 'Mixed', 'Mixing', 'RingCutMix']
