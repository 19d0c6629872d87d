"""Segmentors."""

from .contrastive_pretrainer import ContrastivePretrainer
from .score_tta_model import ScoreTTAModel
from .semi_supervised_segmentor import SemiSupervisedSegmentor
from .student_view import StudentView

__all__ = ['ContrastivePretrainer', 'ScoreTTAModel', 'SemiSupervisedSegmentor', 'StudentView']
