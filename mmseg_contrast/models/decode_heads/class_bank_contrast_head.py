"""Contrast of pixels with a class-wise memory bank."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import get_world_size
from mmseg.registry import MODELS
from torch import Tensor

from ...arguments import at_least, in_range, one_of
from ...structures import PixelTargets, SemiStep
from ...structures.pixel_targets import nearest
from ...structures.running_stats import Ratio
from ...structures.step import BRANCHES
from ..losses.class_bank_contrast import class_bank_contrast
from ..memory import Offer
from ..sampling.class_groups import top_per_class
from ..schedules import check_length, current_iter, in_iterations
from .class_selectors import ClassSelectors
from .contrast_head import ContrastHead, class_sums

RANKS = ('highest', 'lowest', 'random')
UPDATES = ('after', 'before')


@MODELS.register_module()
class ClassBankContrastHead(ContrastHead):
    r"""Pulls pixels towards the good embeddings of their class that the labels have given so far.

    The student's features go through a projection and a prediction head; each prediction vector is
    made similar to all rows of its class in a :class:`ClassMemoryBank`, weighted by class-specific
    attention on both sides; there are no negatives. The rows are the teacher's projections of labelled
    pixels that it classifies rightly and surely, the best ranked of each class in each step. Labelled
    and unlabelled pixels make one term each. Source: Alonso et al., ICCV 2021, section 3.4, Eq. 8-11,
    see :func:`class_bank_contrast`.

    In a plain MMSeg ``EncoderDecoder`` there is no teacher: the bank takes the student's own projections
    (``bank_features='student'``), ranked alike, and the quality filter needs :class:`ShareLogitsHook`.
    Needs :class:`MemoryBankHook`, which writes the bank after each step.

    Args:
        bank (dict, optional): Config of the :class:`MemoryBank`. Defaults to a :class:`ClassMemoryBank`
            of :math:`\psi = 256` rows of each class.
        bank_start (float): Iteration, or share of the training in (0, 1), from which the bank is
            filled.
        labeled_images (int, optional): :math:`|X_l|`; in each step the bank takes
            ``max(1, round(bank.size / labeled_images))`` rows of each class for each image. None: the
            hook counts the images of the first source.
        rows_factor (int): Multiplies that number.
        confidence (float, optional): :math:`\phi` of the quality filter, in [0, 1]: only pixels that are
            classified rightly with a higher confidence can be rows; None filters nothing.
        rank (str): ``'highest'`` attention first (paper), ``'lowest'`` (published code) or ``'random'``.
        attention (bool): Whether pixels and rows are weighted; without it the rank is random.
        memory_attention (bool): Whether the rows are weighted; without it they are ranked by the
            attention of the predictions (published code).
        bank_features (str): ``'teacher'``, or ``'student'`` for the student's own projections.
        bank_update (str): ``'after'`` the loss, so that new rows take part from the next step on; or
            ``'before'`` it (published code).
        max_pixels (int, optional): Positions of the labelled and of the unlabelled images that take
            part, drawn at random in each step; none takes all.
        kwargs: Arguments of :class:`ContrastHead`. ``ramp`` has the warm-up of the term.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int = 256,
        *,
        bank: dict | None = None,
        bank_start: float = 1000,
        labeled_images: int | None = None,
        rows_factor: int = 1,
        confidence: float | None = 0.95,
        rank: str = 'highest',
        attention: bool = True,
        memory_attention: bool = True,
        bank_features: str = 'teacher',
        bank_update: str = 'after',
        max_pixels: int | None = None,
        projector: dict | None = None,
        **kwargs: Any,
    ) -> None:
        projector = projector or {'type': 'MLPProjector'}
        super().__init__(in_channels, channels, projector=projector, **kwargs)
        in_range(self, '[0, 1]', 'a probability', confidence=confidence)
        one_of(self, RANKS, rank=rank)
        one_of(self, BRANCHES, bank_features=bank_features)
        one_of(self, UPDATES, bank_update=bank_update)
        at_least(self, 1, optional=True, labeled_images=labeled_images, max_pixels=max_pixels)
        at_least(self, 1, rows_factor=rows_factor)
        check_length(bank_start, f'{type(self).__name__}.bank_start')
        self.bank_start = bank_start
        self.labeled_images = labeled_images
        self.rows_factor = rows_factor
        self.confidence = confidence
        self.rank = rank
        self.attention = attention
        self.memory_attention = memory_attention
        self.bank_features = bank_features
        self.bank_update = bank_update
        self.max_pixels = max_pixels
        self.predictor = MODELS.build(
            {**projector, 'in_channels': channels, 'out_channels': channels}
        )
        self.selectors = ClassSelectors(self.num_classes, channels) if attention else None
        self.memory_selectors = None
        if attention and memory_attention:
            self.memory_selectors = ClassSelectors(self.num_classes, channels)
        self.bank = self.build_bank(bank or {'type': 'ClassMemoryBank', 'size': 256})

    @property
    def needs_teacher_on_labeled(self) -> bool:
        """Whether the teacher must also see the labelled images in this iteration."""
        return self.bank_features == 'teacher' and self._bank_has_started()

    def options_for_logits(self) -> list[str]:
        """Name the quality filter."""
        return [] if self.confidence is None else [f'confidence={self.confidence}']

    def options_for_unlabeled(self) -> dict[str, str]:
        """Name the option that speaks of the teacher."""
        if self.bank_features == 'teacher':
            return {"bank_features='teacher'": "bank_features='student'"}
        return {}

    def drop_student_state(self) -> None:
        """Drop the bank: there is one copy, the student's."""
        self.bank = None

    def loss_by_step(
        self, step: SemiStep, teacher: ContrastHead | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor | float]]:
        """Compute the contrastive term of one step and stage new rows for the bank.

        Args:
            step (SemiStep): What the step knows.
            teacher (ContrastHead, optional): The teacher's copy of this head.

        Returns:
            tuple[dict, dict]: As in :meth:`ContrastHead.loss_by_step`.
        """
        self.bank.hook.check()
        projection = self.embed(step.student)
        total, stats = self.zero(), {}
        fills = self._bank_has_started() and len(step.labeled_in_domain) > 0
        if fills and self.bank_update == 'before':
            stats.update(self._stage(step, projection.detach(), teacher))
            self.bank.commit()
        prediction = step.align(self.predictor(projection))
        size = prediction.shape[2:]
        num_labeled = len(step.labeled)
        row_scores = None
        if self.memory_selectors is not None:
            unit = F.normalize(self.bank.rows, dim=2)
            row_scores = self.memory_selectors.score_bank(unit, self.bank.valid)

        parts = (
            ('labeled', step.labeled, prediction[:num_labeled]),
            ('unlabeled', step.pseudo, prediction[num_labeled:]),
        )
        for name, targets, vectors in parts:
            if not len(targets):
                continue
            labels = nearest(targets.accepted_labels, size).flatten(1)
            raw, pixels = self._term(*self._subset(vectors.flatten(2), labels), row_scores)
            total = total + raw
            stats.update({f'raw_{name}': Ratio(raw.detach(), pixels > 0), f'pixels_{name}': pixels})
        ramp = self.ramp(current_iter())
        stats['ramp'] = ramp
        if fills and self.bank_update == 'after':
            stats.update(self._stage(step, projection.detach(), teacher))
        return {'loss_contrast': self.loss_weight * ramp * total}, stats

    def _term(
        self, vectors: Tensor, labels: Tensor, row_scores: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        scores = None
        if self.selectors is not None:
            # Detached: else the network would learn features that look unimportant.
            rows = vectors.detach().transpose(1, 2).flatten(0, 1)
            scores = self.selectors.score_rows(rows, labels.flatten()).view_as(labels)
        loss, _ = class_bank_contrast(
            vectors, labels, self.bank.rows, self.bank.valid, scores, row_scores
        )
        return loss, (labels != PixelTargets.ignore_index).sum()

    def _subset(self, vectors: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        # The same positions in each image: one gather.
        number = 0 if self.max_pixels is None else max(1, self.max_pixels // len(labels))
        if self.max_pixels is None or number >= labels.shape[1]:
            return vectors, labels
        place = torch.randperm(labels.shape[1], device=labels.device)[:number]
        return vectors[:, :, place], labels[:, place]

    # ------------------------------------------------------------------ rows for the bank

    def _bank_has_started(self) -> bool:
        return current_iter() >= in_iterations(self.bank_start)

    def count_labeled_images(self, number: int) -> None:
        """Take the number of labelled images, unless the config gives it.

        Args:
            number (int): Images of the first source.
        """
        if self.labeled_images is None:
            self.labeled_images = number

    def rows_per_image(self) -> int:
        """Return how many rows of each class the bank takes for each labelled image."""
        share = 1 if self.labeled_images is None else self.bank.size / self.labeled_images
        return self.rows_factor * max(1, round(share))

    @torch.no_grad()
    def _stage(
        self, step: SemiStep, student: Tensor, teacher: ContrastHead | None
    ) -> dict[str, Tensor]:
        targets = step.labeled_in_domain
        if step.teacher_labeled is not None and self.bank_features == 'teacher':
            owner, rows = teacher, teacher.embed(step.teacher_labeled)[: len(targets)]
            logits = step.teacher_labeled.logits[: len(targets)]
        else:
            owner, rows = self, step.align(student)[: len(targets)]
            logits = None if step.logits is None else step.logits[: len(targets)].detach()
        labels = nearest(targets.labels, rows.shape[2:])
        if logits is not None and self.confidence is not None:
            labels = labels.masked_fill(~self._is_good(logits, labels), targets.ignore_index)
        rows = rows.float()
        features = None
        if self.bank.follows_features:
            features = class_sums(F.normalize(rows, dim=1), labels, self.num_classes)
        rows = rows.flatten(2).transpose(1, 2).flatten(0, 1)
        labels = labels.flatten()
        scores = owner._rank_scores(rows, labels)
        # Whatever the number of ranks, the joint batch gives so many rows: each rank offers as many.
        limit = min(len(targets) * get_world_size() * self.rows_per_image(), self.bank.size)
        index, mask = top_per_class(labels, scores, self.num_classes, limit)
        offered = F.normalize(rows[index], dim=2) if self.bank.unit_rows else rows[index]
        self.bank.stage(Offer(offered, mask, scores[index], limit, features))
        known = (nearest(targets.labels, student.shape[2:]) != targets.ignore_index).sum()
        return {'good_rows': (labels != targets.ignore_index).sum() / known.clamp(min=1)}

    def _is_good(self, logits: Tensor, labels: Tensor) -> Tensor:
        # The quality filter: classified rightly, and surely.
        if logits.shape[2:] != labels.shape[1:]:
            size = labels.shape[1:]
            logits = F.interpolate(logits.float(), size, mode='bilinear', align_corners=False)
        confidence, predicted = logits.float().softmax(1).max(1)
        return (predicted == labels) & (confidence > self.confidence)

    def _rank_scores(self, rows: Tensor, labels: Tensor) -> Tensor:
        if self.rank == 'random' or self.selectors is None:
            return torch.rand(len(rows), device=rows.device)
        if self.memory_selectors is not None:
            rows = F.normalize(rows, dim=1)
        selectors = self.memory_selectors or self.selectors
        scores = selectors.score_rows(rows, labels, frozen=True)
        return scores if self.rank == 'highest' else -scores
