"""Finds the score above which a share of the pixels of each class lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.dist import all_reduce
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS
from torch import Tensor

from ..models.selectors.top_class import top_class
from .pseudo_label_writer import class_scores

#: Bins of a doubt ``1 - score`` are those of the leading bits of a float32: 2^9 in each octave, from 1
#: down to 2^-40. Near a score of 1 they become finer, where those of a sure class would share one.
OCTAVES, BITS = 40, 9
BINS = OCTAVES << BITS
SHIFT = 23 - BITS
LOWEST = (127 - OCTAVES) << BITS


def count_scores(scores: Tensor) -> Tensor:
    """Count the pixels by their best class and its doubt, the sum of the scores of the others.

    Args:
        scores (Tensor): Scores of shape (C, H, W) that sum to 1 over C.

    Returns:
        Tensor: int64 of shape (C, B). Bin b has the doubts below :func:`bin_ends` [b], and from that of
        the bin before on.
    """
    classes, _, doubt = top_class(scores.unsqueeze(0))
    index = ((doubt.view(torch.int32) >> SHIFT) - LOWEST).clamp(0, BINS - 1)
    counts = torch.bincount((classes * BINS + index).flatten(), minlength=len(scores) * BINS)
    return counts.view(len(scores), BINS)


def bin_ends() -> Tensor:
    """Return the upper end of each bin of doubts, float32 of shape (B,), from 2^-40 to 1."""
    bits = (torch.arange(1, BINS + 1, dtype=torch.int32) + LOWEST) << SHIFT
    return bits.view(torch.float32)


def balanced_thresholds(counts: Tensor, keep_ratio: float) -> Tensor:
    r"""Return the highest threshold that at least a share of the pixels of each class exceeds.

    .. math:: t_c = 1 - \min \{ d : |\{p : 1 - s_p < d\}| \ge r \, |\{p\}| \}

    over the ends d of the bins and the pixels p that are predicted as c, with scores s. So a class that
    the net is rarely sure of has the same share of its pixels labelled as the others. Source:
    class-balanced self-training (Zou et al., ECCV 2018), section 4.2.

    Args:
        counts (Tensor): Pixels by class and doubt, (C, B), as from :func:`count_scores`.
        keep_ratio (float): r, in (0, 1].

    Returns:
        Tensor: Threshold of each class, float64 of shape (C,), in which ``1 - t`` is exact. Of a class
        without pixels it is 0.
    """
    upto = counts.cpu().cumsum(1)
    total = upto[:, -1:].double()  # float32 cannot count the pixels of a data set
    last = (upto < keep_ratio * total).sum(1)
    return (1 - bin_ends()[last].double()).where(total.squeeze(1) > 0, 0)


@METRICS.register_module()
class ScoreHistogram(BaseMetric):
    """Measures the thresholds that keep the same share of each class, in place of an evaluation.

    Memory does not grow with the number of images. Images that a sampler repeats count twice.

    Args:
        classes (Sequence[str]): Class names.
        keep_ratio (float): Share of the pixels predicted as a class, in (0, 1].
        kwargs: Arguments of MMEngine's ``BaseMetric``.
    """

    default_prefix = 'threshold'

    def __init__(self, classes: Sequence[str], keep_ratio: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classes = classes
        self.keep_ratio = keep_ratio
        self.counts = torch.zeros(len(classes), BINS, dtype=torch.long, device=get_device())

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count the pixels of a batch.

        Args:
            data_batch (dict): Unused.
            data_samples (Sequence[dict]): Predictions with ``seg_logits``.
        """
        for sample in data_samples:
            self.counts += count_scores(class_scores(sample['seg_logits']['data'])).to(self.counts)

    def evaluate(self, size: int) -> dict[str, float]:
        """Return the threshold of each class over the images of all processes.

        Args:
            size (int): Unused: counts are added up, so there is nothing to gather.
        """
        all_reduce(self.counts)
        metrics = self.compute_metrics([self.counts])
        self.counts.zero_()
        return {f'{self.prefix}/{name}': value for name, value in metrics.items()}

    def compute_metrics(self, results: list[Tensor]) -> dict[str, float]:
        """Return the threshold of each class.

        Args:
            results (list[Tensor]): Counts of shape (C, B).
        """
        thresholds = balanced_thresholds(sum(results), self.keep_ratio)
        return dict(zip(self.classes, thresholds.tolist()))
