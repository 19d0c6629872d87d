"""What is made of predictions: pseudo-labels."""

from .pseudo_label_writer import PseudoLabelWriter, class_scores, select_labels

__all__ = ['PseudoLabelWriter', 'class_scores', 'select_labels']
