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
        decode (Mapping[str, Tensor]): Inputs of parts of the decode head, each (B, D, h, w), by the
            name of the part; of those that a contrast head asks for.
    """

    stages: Sequence[Tensor]
    decode: Mapping[str, Tensor] = field(default_factory=dict)


def _identity(x: Tensor) -> Tensor:
    return x


@dataclass
class SemiStep:
    """What one training step knows once the student has run.

    The images of the step are B_L labelled ones, followed by B_U unlabelled ones; either may be
    absent. Student outputs are those of the *mixed* images; ``align`` brings an output of any
    resolution into the layout in which ``labeled`` and ``pseudo`` are stated.

    Attributes:
        student (Features): Student's features of the mixed images.
        labeled (PixelTargets, optional): Ground truth of the B_L labelled images.
        pseudo (PixelTargets, optional): Selected pseudo-labels of the B_U unlabelled images.
        teacher (Features, optional): Teacher's features of the unmixed, weakly augmented
            unlabelled images.
        teacher_labeled (Features, optional): Teacher's features of the labelled images; only where
            a head asks for them.
        logits (Tensor, optional): Aligned student logits, (B_L + B_U, C, H, W), without gradient.
        align (Callable): Maps a student output (B_L + B_U, D, h, w) to the targets' layout.
    """

    student: Features
    labeled: PixelTargets | None = None
    pseudo: PixelTargets | None = None
    teacher: Features | None = None
    teacher_labeled: Features | None = None
    logits: Tensor | None = None
    align: Callable[[Tensor], Tensor] = field(default=_identity)

    def labels_at(self, size: tuple[int, int]) -> tuple[Tensor, Tensor | None]:
        """Return what can be sampled on a grid of features.

        Args:
            size (tuple[int, int]): Height and width of the grid.

        Returns:
            tuple[Tensor, Tensor | None]: Labels of shape (B_L + B_U, h, w) in which rejected pixels
            are ignored, and where the student's class is another (bool of the same shape; None where
            its logits are not known).
        """
        labels = nearest(self.targets.accepted_labels, size)
        if self.logits is None:
            return labels, None
        return labels, nearest(self.logits, size).argmax(1) != labels

    @property
    def targets(self) -> PixelTargets:
        """Targets of all images of the step, labelled ones first."""
        return PixelTargets.cat([part for part in (self.labeled, self.pseudo) if part is not None])
