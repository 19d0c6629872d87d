"""Segmentors."""

from .semi_supervised_segmentor import SemiSupervisedSegmentor

__all__ = ['SemiSupervisedSegmentor']
