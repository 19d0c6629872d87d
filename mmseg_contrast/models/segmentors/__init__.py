"""Segmentors."""

from .contrastive_pretrainer import ContrastivePretrainer
from .semi_supervised_segmentor import SemiSupervisedSegmentor
from .student_view import StudentView

__all__ = ['ContrastivePretrainer', 'SemiSupervisedSegmentor', 'StudentView']
