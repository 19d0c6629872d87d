"""Weights of classes from how often they occur."""

from __future__ import annotations

import torch
from mmengine.dist import all_reduce
from mmseg.registry import MODELS
from torch import Tensor

from ...arguments import in_range, one_of
from ...problem import SetupError
from ...structures import PixelTargets, count_classes
from ..schedules import check_length, current_iter, in_iterations
from .base import ClassWeights

UNITS = ('image', 'pixel')


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
class MedianFrequencyWeights(ClassWeights):
    r"""Class weights from the frequencies in the union of labelled and unlabelled images.

    Labels and pseudo-labels each have a running average :math:`n_{sc}` of the pixels of class c in an
    image of the set s, before any mixing and of the target domain alone. A batch holds the two sets
    in a proportion of its own, so they are joined by the numbers of images :math:`N_s`:

    .. math:: f_c = \sum_s N_s \frac{n_{sc}}{\sum_k n_{sk}}

    with ``unit='image'``; with ``unit='pixel'`` by the plain number of pixels,
    :math:`f_c = \sum_s N_s n_{sc}`, in which a set with many ignored pixels counts less. A set of which
    nothing has been seen counts 0. Weights: :func:`median_frequency_weights`. Source: Alonso et al.,
    ICCV 2021, section 4.2 (the frequencies of all labels and pseudo-labels); ``'pixel'`` is what the
    published code counts.

    Args:
        num_classes (int): Number of classes C.
        momentum (float): Share of a batch in the running averages, in (0, 1].
        start (float): Iteration, or share of the training in (0, 1), from which the weights are used;
            before it the losses' own are.
        unit (str): ``'image'`` or ``'pixel'``.
        sizes (tuple[int, int], optional): Number of labelled and of unlabelled images. None:
            :class:`SetSizesHook` counts them before the training.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        num_classes: int,
        momentum: float = 0.001,
        start: float = 0,
        unit: str = 'image',
        sizes: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        in_range(self, '(0, 1]', 'the share of the new counts', momentum=momentum)
        one_of(self, UNITS, unit=unit)
        check_length(start, f'{name}.start')
        self.num_classes = num_classes
        self.momentum = momentum
        self.start = start
        self.unit = unit
        self.register_buffer('counts', torch.zeros(2, num_classes))
        self.register_buffer('images', torch.zeros(2))
        # Of the run's data, not of the checkpoint's.
        self.register_buffer('sizes', torch.zeros(2), persistent=False)
        self.needs_sizes = True
        if sizes is not None:
            self.set_sizes(*sizes)

    def set_sizes(self, labeled: int, unlabeled: int) -> None:
        """Say how many images the two sets have.

        Args:
            labeled (int): Labelled images of the target domain.
            unlabeled (int): Unlabelled images; 0 where there are none.

        Raises:
            ValueError: If a number is negative, or both are 0.
        """
        if min(labeled, unlabeled) < 0 or labeled + unlabeled == 0:
            raise ValueError(
                f'{type(self).__name__}(sizes=({labeled}, {unlabeled})) are the numbers of labelled and '
                'unlabelled images: give numbers >= 0, not both 0.'
            )
        self.sizes.copy_(torch.tensor([labeled, unlabeled]))
        self.needs_sizes = False

    @property
    def frequency(self) -> Tensor:
        """Frequencies of the classes in the union of the sets, of shape (C,); any scale."""
        pixels = self.counts.sum(1)
        per = self.images if self.unit == 'pixel' else pixels
        share = self.sizes / torch.where(pixels > 0, per, 1)
        return (share[:, None] * self.counts).sum(0)

    @torch.no_grad()
    def forward(self, labeled: PixelTargets, pseudo: PixelTargets) -> Tensor | None:
        """Count a step's targets and return the weights, or None before the start.

        See :meth:`ClassWeights.forward`.

        Raises:
            SetupError: If nothing has said how many images the sets have.
        """
        if self.needs_sizes:
            raise SetupError(
                f'{type(self).__name__} joins labels and pseudo-labels by the numbers of images, which '
                "nothing has given: add dict(type='SetSizesHook') to custom_hooks, or set "
                'model.class_weights.sizes=(<labelled images>, <unlabelled images>).'
            )
        new = self.counts.new_zeros(2, self.num_classes + 1)
        for row, part in zip(new, (labeled, pseudo)):
            row[0] = len(part)
            row[1:] = count_classes(part.labels, self.num_classes, part.ignore_index)
        all_reduce(new)
        images, counts = new[:, 0], new[:, 1:]
        # A set that a step lacks keeps its average.
        share = self.momentum * (images > 0)
        self.images.lerp_(images, share)
        self.counts.lerp_(counts, share[:, None])
        if current_iter() < in_iterations(self.start):
            return None
        return median_frequency_weights(self.frequency)
