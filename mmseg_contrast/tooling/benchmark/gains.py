"""How much better a method is than the baseline, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .counts import iou_of, mean_iou
from .results import Result

RESAMPLES = 2000
#: Percentiles between which 95 % of the resamples lie.
ENDS = (2.5, 97.5)


@dataclass(frozen=True)
class Gain:
    """The gain of a method over the baseline, on the same lists and images.

    Attributes:
        mean (float): Mean over the seeds of the difference in mIoU, in points.
        low (float): Lower end of its interval of 95 %.
        high (float): Upper end.
        classes (np.ndarray): Mean difference in the IoU of each class, (C,); NaN of a class that occurs
            nowhere.
        seeds (Sequence[int]): The seeds that both have.
    """

    mean: float
    low: float
    high: float
    classes: np.ndarray
    seeds: Sequence[int]


def resampled_gains(
    method: np.ndarray, baseline: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> np.ndarray:
    r"""Draw seeds and validation images with replacement, and return the gain of each draw.

    .. math:: g_r = \frac{1}{S} \sum_{s \in S_r} mIoU(A_s, I_r) - mIoU(B_s, I_r)

    with :math:`S` drawn seeds :math:`S_r` and as many drawn images :math:`I_r` as there are. A draw holds
    the same seeds and images for both.

    Args:
        method (np.ndarray): Right, predicted and true pixels of each image, (S, N, 3, C).
        baseline (np.ndarray): The same of the baseline.
        resamples (int): Number of draws, R.
        seed (int): Seed of the draws.

    Returns:
        np.ndarray: Of shape (R,).
    """
    num_seeds, num_images = method.shape[:2]
    rng = np.random.default_rng(seed)
    images = rng.integers(num_images, size=(resamples, num_images))
    seeds = rng.integers(num_seeds, size=(resamples, num_seeds))
    rows = num_images * np.arange(resamples)[:, None]
    times = np.bincount((images + rows).ravel(), minlength=resamples * num_images)
    times = times.reshape(resamples, num_images).astype(np.float64)
    # one product of matrices for each seed adds up the images of all draws
    scores = [
        np.stack([mean_iou(np.tensordot(times, areas, 1)) for areas in each], 1)
        for each in (method, baseline)
    ]
    return np.take_along_axis(scores[0] - scores[1], seeds, 1).mean(1)


def gain_of(method: Sequence[Result], baseline: Sequence[Result]) -> Gain | None:
    """Return the gain of a method, seed by seed, or None where they share no seed.

    Both count with the branch that their configs predict with.

    Args:
        method (Sequence[Result]): Results of the method.
        baseline (Sequence[Result]): Results of the baseline on the same data.
    """
    by_seed = {result['seed']: result for result in baseline}
    pairs = [(result, by_seed[result['seed']]) for result in method if result['seed'] in by_seed]
    if not pairs:
        return None
    ours, theirs = (
        np.stack([result.counts[result['branch']].areas() for result in results])
        for results in zip(*pairs)
    )
    gains = mean_iou(ours.sum(1)) - mean_iou(theirs.sum(1))
    low, high = np.percentile(resampled_gains(ours, theirs), ENDS)
    # a class that neither is true nor predicted has no IoU in any of them
    classes = (iou_of(ours.sum(1)) - iou_of(theirs.sum(1))).mean(0)
    seeds = [result['seed'] for result, _ in pairs]
    return Gain(float(gains.mean()), float(low), float(high), classes, seeds)
