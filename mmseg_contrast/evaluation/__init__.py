"""What is made of predictions: pseudo-labels, the thresholds that select them, submissions."""

from .pseudo_label_writer import PseudoLabelWriter, class_scores, select_labels
from .score_histogram import ScoreHistogram, balanced_thresholds, bin_ends, count_scores
from .submission_writer import SubmissionWriter

__all__ = [
    'PseudoLabelWriter',
    'ScoreHistogram',
    'SubmissionWriter',
    'balanced_thresholds',
    'bin_ends',
    'class_scores',
    'count_scores',
    'select_labels',
]
