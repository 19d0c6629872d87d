"""Samplers: which labelled pixels a decode head learns from."""

from .batch_ohem_pixel_sampler import BatchOHEMPixelSampler

__all__ = ['BatchOHEMPixelSampler']
