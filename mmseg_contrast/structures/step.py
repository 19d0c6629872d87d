"""One training step as the contrast heads see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from .pixel_targets import PixelTargets, nearest


@dataclass
class Features:
    """Features of a batch of images.

    Attributes:
        stages (Sequence[Tensor]): Feature maps of the backbone or neck, each (B, D_i, h_i, w_i).
        decode (Mapping[str, Tensor]): Features inside the decode head, each (B, D, h, w), by where they
            were taken (``'decode'``, ``'decode.<part>'``); of those that a contrast head asks for.
        logits (Tensor, optional): What the decode head made of them, (B, C, h, w).
    """

    stages: Sequence[Tensor]
    decode: Mapping[str, Tensor] = field(default_factory=dict)
    logits: Tensor | None = None


def _identity(x: Tensor) -> Tensor:
    return x


@dataclass
class SemiStep:
    """What one training step knows once the student has run.

    The images of the step are B_L labelled ones, followed by B_U unlabelled ones (or several views of
    each); either may be absent. The first ``num_target`` labelled images are of the domain that the
    unlabelled ones are of, the rest of another one. Student outputs are those of the *mixed* images;
    ``align`` brings an output of any resolution into the layout in which ``labeled`` and ``pseudo``
    are stated.

    Attributes:
        student (Features): Student's features of the mixed images.
        labeled (PixelTargets, optional): Ground truth of the B_L labelled images.
        pseudo (PixelTargets, optional): Selected pseudo-labels of the B_U unlabelled images.
        teacher (Features, optional): Teacher's features of the unlabelled images, in the layout of
            ``pseudo``; absent where the mixing moved pixels out of it.
        teacher_labeled (Features, optional): Teacher's features of the labelled images, in the layout
            of ``labeled``; only where a head asks for them.
        logits (Tensor, optional): Aligned student logits, (B_L + B_U, C, H, W), without gradient.
        align (Callable): Maps a student output (B_L + B_U, D, h, w) to the targets' layout.
        num_target (int, optional): Labelled images of the target domain; none means all.
    """

    student: Features
    labeled: PixelTargets | None = None
    pseudo: PixelTargets | None = None
    teacher: Features | None = None
    teacher_labeled: Features | None = None
    logits: Tensor | None = None
    align: Callable[[Tensor], Tensor] = field(default=_identity)
    num_target: int | None = None

    @property
    def target_labeled(self) -> PixelTargets | None:
        """Ground truth of the labelled images of the target domain."""
        return None if self.labeled is None else self.labeled[: self.num_target]

    def labels_at(
        self, size: tuple[int, int], rejected: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Return what can be sampled on a grid of features.

        Args:
            size (tuple[int, int]): Height and width of the grid.
            rejected (bool): Whether pixels that the selector rejects keep their label.

        Returns:
            tuple[Tensor, Tensor | None]: Labels of shape (B_L + B_U, h, w) in which rejected pixels
            are ignored, and where the student's class is another (bool of the same shape; None where
            its logits are not known).
        """
        targets = self.targets
        labels = nearest(targets.labels if rejected else targets.accepted_labels, size)
        if self.logits is None:
            return labels, None
        return labels, nearest(self.logits, size).argmax(1) != labels

    @property
    def targets(self) -> PixelTargets:
        """Targets of all images of the step, labelled ones first."""
        return PixelTargets.cat([part for part in (self.labeled, self.pseudo) if part is not None])
