"""What is made of predictions: pseudo-labels and the thresholds that select them."""

from .pseudo_label_writer import PseudoLabelWriter, class_scores, select_labels
from .score_histogram import ScoreHistogram, balanced_thresholds, bin_ends, count_scores

__all__ = [
    'PseudoLabelWriter',
    'ScoreHistogram',
    'balanced_thresholds',
    'bin_ends',
    'class_scores',
    'count_scores',
    'select_labels',
]
