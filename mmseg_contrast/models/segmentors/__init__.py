"""Segmentors."""

from .contrastive_pretrainer import ContrastivePretrainer
from .semi_supervised_segmentor import SemiSupervisedSegmentor

__all__ = ['ContrastivePretrainer', 'SemiSupervisedSegmentor']
