"""Pseudo-labels as files: the rule that selects them, its thresholds, the masks, their precision."""

from .pseudo_label_writer import PseudoLabelWriter, class_scores, select_labels
from .score_histogram import ScoreHistogram, balanced_thresholds, bin_ends, count_scores
from .score_tta_model import ScoreTTAModel

__all__ = [
    'PseudoLabelWriter',
    'ScoreHistogram',
    'ScoreTTAModel',
    'balanced_thresholds',
    'bin_ends',
    'class_scores',
    'count_scores',
    'select_labels',
]
