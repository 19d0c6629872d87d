"""Perturbations of features."""

from .channel_dropout import ChannelDropout

__all__ = ['ChannelDropout']
