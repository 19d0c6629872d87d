"""Weights of classes from how often they occur."""

from __future__ import annotations

import torch
from mmengine.dist import all_reduce
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...structures import PixelTargets, count_classes
from ..utils.ramp import current_iter


def median_frequency_weights(frequency: Tensor) -> Tensor:
    r"""Weigh rare classes up and frequent ones down.

    .. math:: \alpha_c = \sqrt{f_m / f_c}

    with the median :math:`f_m` of the frequencies of the classes that occur. A class that does not
    occur takes the largest of the other weights; where none occurs all are 1. Source: Alonso et al.,
    ICCV 2021, section 4.2.

    Args:
        frequency (Tensor): Non-negative number or share of each class's pixels, of shape (C,).

    Returns:
        Tensor: Weights of shape (C,).
    """
    seen = frequency > 0
    number = seen.sum()
    ordered = frequency.sort(descending=True).values
    middle = torch.stack([(number - 1).clamp(min=0) // 2, number // 2])
    median = ordered.gather(0, middle.clamp(max=len(frequency) - 1)).mean()
    weights = (median / torch.where(seen, frequency, 1)).sqrt() * seen
    weights = torch.where(seen, weights, weights.max())
    return torch.where(number > 0, weights, 1)


@MODELS.register_module()
class MedianFrequencyWeights(nn.Module):
    """Class weights from running frequencies of labels and pseudo-labels.

    The frequencies are an exponential moving average of the pixel counts of the global batch, labels
    and pseudo-labels together, before any mixing and of the target domain alone. Their scale does
    not matter to :func:`median_frequency_weights`.

    Args:
        num_classes (int): Number of classes C.
        momentum (float): Share of the new counts in the average, in (0, 1].
        start (int): Iteration from which the weights are used; before it the losses' own are.

    Raises:
        ValueError: If the momentum is out of its range.
    """

    def __init__(self, num_classes: int, momentum: float = 0.001, start: int = 0) -> None:
        super().__init__()
        if not 0 < momentum <= 1:
            raise ValueError(
                f'MedianFrequencyWeights(momentum={momentum}) is the share of the new counts: use '
                '(0, 1].'
            )
        self.num_classes = num_classes
        self.momentum = momentum
        self.start = start
        self.register_buffer('frequency', torch.zeros(num_classes))

    @torch.no_grad()
    def forward(self, *targets: PixelTargets | None) -> Tensor | None:
        """Count a step's targets and return the weights of shape (C,), or None before the start.

        Args:
            targets (PixelTargets): Labels and pseudo-labels of this rank; None where there are none.
        """
        counts = torch.zeros_like(self.frequency)
        for part in targets:
            if part is not None:
                counts += count_classes(part.labels, self.num_classes, part.ignore_index)
        all_reduce(counts)
        self.frequency.lerp_(counts, self.momentum)
        return median_frequency_weights(self.frequency) if current_iter() >= self.start else None
