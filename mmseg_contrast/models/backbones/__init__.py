"""Backbones, and what makes one of any backbone."""

from .frozen_backbone import FrozenBackbone

__all__ = ['FrozenBackbone']
