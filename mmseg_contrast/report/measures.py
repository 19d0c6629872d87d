"""The numbers of a report: pure functions of counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

#: Equal parts of [0, 1] in which confidences are counted.
NUM_BINS = 15


def confusion_of(
    truth: np.ndarray, labels: np.ndarray, num_classes: int, weight: np.ndarray | None = None
) -> np.ndarray:
    """Count the pixels of each true class by what they were labelled.

    Args:
        truth (np.ndarray): True classes, integers of any shape; what is outside ``[0, C)`` does not count.
        labels (np.ndarray): Labels in ``[0, C)``, of the same shape.
        num_classes (int): Number of classes C.
        weight (np.ndarray, optional): Weight of each pixel, of the same shape; 1 by default.

    Returns:
        np.ndarray: Of shape (C, C), true class by label; int64, or float64 where there are weights.
    """
    known = (truth >= 0) & (truth < num_classes)
    pairs = truth[known].astype(np.int64) * num_classes + labels[known].astype(np.int64)
    weights = None if weight is None else weight[known]
    counts = np.bincount(pairs, weights, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def iou_of(confusion: np.ndarray) -> np.ndarray:
    r"""Return the IoU of each class, NaN for one that neither truth nor labels have.

    .. math:: IoU_c = \frac{n_{cc}}{\sum_k n_{ck} + \sum_k n_{kc} - n_{cc}}

    Args:
        confusion (np.ndarray): Pixels of shape (C, C), true class by label.
    """
    own = np.diagonal(confusion).astype(float)
    return _divide(own, confusion.sum(0) + confusion.sum(1) - own)


def precision_of(confusion: np.ndarray) -> np.ndarray:
    """Return the share of each class's labels that is right, NaN for one without labels.

    Args:
        confusion (np.ndarray): Pixels of shape (C, C), true class by label.
    """
    return _divide(np.diagonal(confusion).astype(float), confusion.sum(0))


def recall_of(confusion: np.ndarray, pixels: np.ndarray | None = None) -> np.ndarray:
    """Return the share of each class's pixels that is found, NaN for one without pixels.

    Args:
        confusion (np.ndarray): Pixels of shape (C, C), true class by label.
        pixels (np.ndarray, optional): All pixels of each class, (C,), where not all of them are labelled.
    """
    pixels = confusion.sum(1) if pixels is None else pixels
    return _divide(np.diagonal(confusion).astype(float), pixels)


def shares_of(counts: np.ndarray) -> np.ndarray:
    """Return each part's share of the sum, NaN where there is nothing.

    Args:
        counts (np.ndarray): Counts of any shape.
    """
    return _divide(counts.astype(float), np.full(counts.shape, counts.sum()))


def mean_percent(shares: np.ndarray) -> float | None:
    """Return the mean of the shares that are known, in percent; None where none is.

    Args:
        shares (np.ndarray): Shares in [0, 1]; NaN is unknown.
    """
    known = shares[~np.isnan(shares)]
    return 100 * float(known.mean()) if len(known) else None


def bins_of(confidence: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Count predictions by confidence, in :data:`NUM_BINS` equal parts of [0, 1].

    Args:
        confidence (np.ndarray): Probability of the predicted class, in [0, 1].
        correct (np.ndarray): Whether it is the true one, bool of the same shape.

    Returns:
        np.ndarray: Of shape (3, NUM_BINS): number of predictions, their summed confidence, and how many of
        them are correct.
    """
    place = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1).ravel()
    values = (None, confidence.ravel().astype(float), correct.ravel().astype(float))
    return np.stack([np.bincount(place, v, minlength=NUM_BINS).astype(float) for v in values])


def calibration_error(bins: np.ndarray) -> float:
    r"""Return the expected calibration error, NaN where nothing was predicted.

    .. math:: ECE = \sum_b \frac{n_b}{n} \, |acc_b - conf_b|

    Source: Naeini et al., AAAI 2015; Guo et al., ICML 2017, Eq. 5.

    Args:
        bins (np.ndarray): Of shape (3, B), see :func:`bins_of`.
    """
    number, confidence, correct = bins
    total = number.sum()
    return float(np.abs(correct - confidence).sum() / total) if total else math.nan


def separation_of(sums: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, float]:
    r"""Measure how compact the classes are in a space of features, and how far apart.

    .. math::
        within_c = \lVert m_c \rVert^2, \qquad
        between = \frac{1}{C (C - 1)} \sum_{c \ne d} m_c \cdot m_d

    with :math:`m_c` the mean unit vector of a class: the mean cosine of two of its features (one with
    itself is counted), and that of two features of two classes.

    Args:
        sums (np.ndarray): Sum of the unit vectors of each class, of shape (C, D).
        counts (np.ndarray): Their numbers, (C,); a class without any does not count.

    Returns:
        tuple[np.ndarray, float]: ``within`` of each class, (C,), NaN for one without features; and
        ``between``, NaN where there are fewer than two classes.
    """
    seen = counts > 0
    means = sums / np.maximum(counts, 1)[:, None]
    own = (means**2).sum(1)
    number = int(seen.sum())
    if number < 2:
        return np.where(seen, own, np.nan), math.nan
    total = means[seen].sum(0)
    between = (total @ total - own[seen].sum()) / (number * (number - 1))
    return np.where(seen, own, np.nan), float(between)


def passes_over(images: int, per_step: int, steps: int) -> float:
    """Return how often a training has gone over a set.

    Args:
        images (int): Images of the set, at least 1.
        per_step (int): Images of it in each step, over all processes.
        steps (int): Steps so far.
    """
    return steps * per_step / images


def last_mean(values: Sequence[float], share: float) -> float:
    """Return the mean of the last part of a curve.

    Args:
        values (Sequence[float]): Values, at least one.
        share (float): Which share of them, in (0, 1]; one value at least.
    """
    number = max(1, round(share * len(values)))
    return float(np.mean(values[-number:]))


def _divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
