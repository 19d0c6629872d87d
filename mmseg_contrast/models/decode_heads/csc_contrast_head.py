"""The contrast of CSC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, get_rank
from mmseg.registry import MODELS
from torch import Tensor

from ...arguments import at_least, in_range, one_of
from ...structures import SemiStep
from ...structures.step import BRANCHES
from ..distributed import gather_with_grad
from ..losses.contrast import grouped_contrast
from ..memory import Offer
from ..sampling.anchor_sampling import closest_anchors, gather_pixels, sample_anchors, thin_out
from ..schedules import current_iter, log_progress
from .contrast_head import ContrastHead, anchor_mean, class_sums, group_by_class

FALLBACKS = ('per_class', 'paper', 'official')
ENQUEUED = ('anchors', 'pixels')
REDUCTIONS = ('mean', 'sum')


@MODELS.register_module()
class CSCContrastHead(ContrastHead):
    r"""Contrast of sampled pixels with each other and with a bank of regularised features.

    Anchors are the student's embeddings of class-balanced pixels, half of them hard where there are
    enough: pixels that the student gets wrong, or of which it disagrees with the pseudo-label. The
    labelled and the unlabelled images make a term each,

    .. math::
        L_c = \frac{1}{n} \sum_i \frac{1}{N} \sum_{z^+ \in Top_N(P_i)}
            -\log \frac{e^{z_i z^+ / \tau}}{e^{z_i z^+ / \tau} + \sum_{z^- \in N_i} e^{z_i z^- / \tau}}

    with positives P from the anchors of the same class and that class's bank rows, negatives from those
    of all other classes, and the gradient going to both sides of a pair of anchors. Source: CSC, Eq.
    6, with a mean where it has a sum over the N positives, unless ``reduction='sum'`` (the same for N = 1,
    as in the paper). In distributed
    training each rank's anchors meet those of all ranks. Both terms see the bank of the step before,
    unless ``between_halves``; :class:`MemoryBankHook` updates it after the step (Algorithm 1).

    It needs nothing of the recipe that it rides on: with a mean teacher, FixMatch or labels alone it is
    the same head. In a plain ``EncoderDecoder`` pixels are known to be hard if
    :class:`ShareLogitsHook` shows it the logits.

    Args:
        temperature (float): :math:`\tau`, above 0.
        top_n (int, optional): N, at least 1; None takes all positives (Eq. 5).
        reduction (str): ``'mean'`` (published code) or ``'sum'`` (Eq. 5a and 6a) over the positives of an
            anchor.
        samples_per_class (int | Sequence[int]): Anchors of each class in each image.
        hard_ratio (float): Share of hard pixels among them, in [0, 1].
        min_pixels (int | Sequence[int]): Classes with fewer pixels of an image's feature grid are left
            out of it; one number, or one for each class.
        bank (dict, optional): Config of the :class:`MemoryBank`: a :class:`ConsistencySeparationModule`, or
            a :class:`ClassMemoryBank`, which takes all rows as they come. None contrasts within the batch
            alone.
        enqueue_per_class (int): Pixels of each class and image that are offered to the bank.
        enqueue (str): What is offered: ``'anchors'``, or ``'pixels'``, which draws from all pixels of the
            class and adds the mean of the class in the image (published code).
        update_interval (int): Iterations from one update of the bank to the next.
        between_halves (bool): Whether the labelled images update the bank on their own, before the
            unlabelled ones meet it (published code). What is logged of the gate is then what became of
            the labelled images' candidates.
        bank_features (str): Network that feeds the bank, ``'student'`` (Algorithm 1) or ``'teacher'``
            (the paper's Fig. 3), which sees unmixed images: not with a mixing that moves the targets.
        fallback (str): What is done while classes have no rows yet: ``'per_class'`` goes without these
            rows; ``'paper'`` takes Eq. 5 within the batch for all classes until each has rows;
            ``'official'`` Eq. 6 within the batch (published code).
        anchor_filter (tuple[float, float], optional): Shares of the unlabelled anchors, at the first
            and at the last iteration, in [0, 1]. Given, pixels that the selector rejects are sampled
            too, and of the unlabelled anchors the share (growing with the logarithm of the iteration)
            that is :func:`closest <closest_anchors>` to its positives has a loss; all remain keys, and
            are offered to the bank (published code).
        kwargs: Arguments of :class:`ContrastHead`.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int = 256,
        *,
        temperature: float = 0.1,
        top_n: int | None = 1,
        reduction: str = 'mean',
        samples_per_class: int | Sequence[int] = 64,
        hard_ratio: float = 0.5,
        min_pixels: int | Sequence[int] = 1,
        bank: dict | None = None,
        enqueue_per_class: int = 10,
        enqueue: str = 'anchors',
        update_interval: int = 1,
        between_halves: bool = False,
        bank_features: str = 'student',
        fallback: str = 'per_class',
        anchor_filter: tuple[float, float] | None = None,
        loss_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(in_channels, channels, loss_weight=loss_weight, **kwargs)
        in_range(self, '(0, inf)', 'a temperature', temperature=temperature)
        in_range(self, '[0, 1]', 'a share', hard_ratio=hard_ratio)
        at_least(self, 1, optional=True, top_n=top_n)
        at_least(self, 1, enqueue_per_class=enqueue_per_class, update_interval=update_interval)
        one_of(self, FALLBACKS, fallback=fallback)
        one_of(self, BRANCHES, bank_features=bank_features)
        one_of(self, ENQUEUED, enqueue=enqueue)
        one_of(self, REDUCTIONS, reduction=reduction)
        if anchor_filter is not None and not 0 <= min(anchor_filter) <= max(anchor_filter) <= 1:
            name = type(self).__name__
            raise ValueError(f'{name}(anchor_filter={anchor_filter}) are shares: use [0, 1].')
        limits = self._for_each_class('samples_per_class', samples_per_class)
        least = self._for_each_class('min_pixels', min_pixels)
        self.temperature = temperature
        self.top_n = top_n
        self.num_samples = max(limits)
        self.hard_ratio = hard_ratio
        self.reduction = reduction
        self.enqueue_per_class = enqueue_per_class
        self.enqueue = enqueue
        self.update_interval = update_interval
        self.between_halves = between_halves
        self.bank_features = bank_features
        self.needs_teacher_on_labeled = bank_features == 'teacher'
        self.fallback = fallback
        self.anchor_filter = anchor_filter
        self.register_buffer('limits', torch.tensor(limits), persistent=False)
        self.register_buffer('min_pixels', torch.tensor(least), persistent=False)
        self.bank = self.build_bank(bank)

    def options_for_logits(self) -> list[str]:
        """Name the share of hard pixels: without logits none is known to be hard."""
        return [f'hard_ratio={self.hard_ratio}']

    def options_for_unlabeled(self) -> dict[str, str]:
        """Name the options in use that speak of the teacher or of the unlabelled half."""
        options = {
            "bank_features='teacher'": (self.bank_features == 'teacher', "bank_features='student'"),
            'between_halves=True': (self.between_halves, 'between_halves=False'),
            f'anchor_filter={self.anchor_filter}': (self.anchor_filter, 'anchor_filter=None'),
        }
        return {option: instead for option, (used, instead) in options.items() if used}

    def options_for_teacher(self) -> dict[str, str]:
        """Name the option that takes the teacher's features of the unlabelled images."""
        option = {"bank_features='teacher'": "bank_features='student'"}
        return option if self.bank_features == 'teacher' else {}

    def _for_each_class(self, key: str, numbers: int | Sequence[int]) -> list[int]:
        each = [numbers] * self.num_classes if isinstance(numbers, int) else list(numbers)
        if len(each) != self.num_classes or min(each) < 0 or max(each) < 1:
            raise ValueError(
                f'{type(self).__name__}({key}={numbers}) must be one number above 0, or one for each of '
                f'the {self.num_classes} classes.'
            )
        return each

    def drop_student_state(self) -> None:
        """Drop the bank: there is one copy, the student's."""
        self.bank = None

    def loss_by_step(
        self, step: SemiStep, teacher: ContrastHead | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor | float]]:
        """Compute the contrastive term of one step; see :meth:`ContrastHead.loss_by_step`."""
        if self.bank is not None:
            self.bank.hook.check()
        embedding = step.align(self.embed(step.student))
        rejected = self.anchor_filter is not None
        labels, hard = step.labels_at(embedding.shape[2:], rejected)
        index, filled = sample_anchors(
            labels,
            self.num_classes,
            self.num_samples,
            hard,
            self.hard_ratio,
            self.min_pixels,
            self.limits,
        )
        anchors = F.normalize(gather_pixels(embedding.float(), index), dim=-1)
        num_labeled = len(step.labeled)
        halves = [
            (slice(0, num_labeled), None),
            (slice(num_labeled, len(anchors)), self._kept_share()),
        ]
        halves = [(half, share) for half, share in halves if half.start < half.stop]
        updates = self.bank is not None and current_iter() % self.update_interval == 0
        if updates:
            pixels = self._features_for_bank(step, teacher, embedding), labels, index, filled
        between = updates and self.between_halves
        terms = []
        for half, share in halves:
            if between:
                # What the half before has staged; the last one is for the hook.
                self.bank.commit()
            terms.append(
                self._contrast(group_by_class(anchors[half]), group_by_class(filled[half]), share)
            )
            if between:
                self._stage(*(x[half] for x in pixels))
        raw = sum(loss for loss, _ in terms)
        counts = sum(count for _, count in terms)
        losses, stats = self.weigh(raw, *counts)
        if self.bank is not None:
            stats.update(self.bank.events())
        if updates and not between:
            self._stage(*pixels)
        return losses, stats

    def _kept_share(self) -> float | None:
        if self.anchor_filter is None:
            return None
        first, last = self.anchor_filter
        return first + (last - first) * log_progress()

    def _contrast(
        self, anchors: Tensor, mask: Tensor, share: float | None = None
    ) -> tuple[Tensor, Tensor]:
        # Of anchors (C, P, D): the mean loss, and the numbers of anchors, positives and negatives.
        keys, key_mask = gather_with_grad(anchors, 1), torch.cat(all_gather(mask), 1)
        rows = {}
        if self.bank is not None:
            rows = {'bank': self.bank.rows, 'bank_mask': self.bank.valid}
        offset = get_rank() * mask.shape[1]
        if share is not None:
            mask = closest_anchors(keys, key_mask, share, **rows).narrow(1, offset, mask.shape[1])
        batch = (anchors, keys, mask, key_mask, self.temperature, offset)
        options = {'top_n': self.top_n, 'reduction': self.reduction}
        loss, counts = _mean(*grouped_contrast(*batch, **rows, **options))
        if self.fallback != 'per_class' and self.bank is not None:
            missing = (self.bank.count == 0).any()
            if self.fallback == 'paper':
                options['top_n'] = None
            within, numbers = _mean(*grouped_contrast(*batch, **options))
            loss = torch.where(missing, within, loss)
            counts = torch.where(missing, numbers, counts)
        return loss, counts

    @torch.no_grad()
    def _features_for_bank(
        self, step: SemiStep, teacher: ContrastHead | None, embedding: Tensor
    ) -> Tensor:
        embedding = embedding.detach()
        if self.bank_features == 'teacher':
            embedding = self.key_embedding(step, embedding, teacher)
        return embedding.float()

    @torch.no_grad()
    def _stage(self, embedding: Tensor, labels: Tensor, index: Tensor, filled: Tensor) -> None:
        sampled = F.normalize(gather_pixels(embedding, index), dim=-1)
        count = filled.sum(2)
        sums = (sampled * filled.unsqueeze(3)).sum(2)
        if self.enqueue == 'anchors':
            place, mask = thin_out(filled, self.enqueue_per_class)
            rows = sampled.gather(2, place.unsqueeze(3).expand(-1, -1, -1, sampled.shape[3]))
        else:
            place, mask = sample_anchors(labels, self.num_classes, self.enqueue_per_class)
            rows = F.normalize(gather_pixels(embedding, place), dim=-1)
            regions, number = class_sums(F.normalize(embedding, dim=1), labels, self.num_classes)
            regions, present = F.normalize(regions, dim=2), number > 0
            rows = torch.cat([regions.unsqueeze(2), rows], 2)
            mask = torch.cat([present.unsqueeze(2), mask], 2)
        rows, mask = group_by_class(rows), group_by_class(mask)
        self.bank.stage(Offer(rows, mask, features=(sums, count)))


def _mean(total: Tensor, *counts: Tensor) -> tuple[Tensor, Tensor]:
    return anchor_mean(total, counts[0]), torch.stack(counts)
