"""One training step, as its losses and the contrast heads see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mmseg.structures import SegDataSample
from torch import Tensor

from .pixel_targets import PixelTargets, nearest

#: The two nets of a step.
BRANCHES = ('student', 'teacher')


@dataclass(frozen=True)
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

    def __getitem__(self, images: slice) -> Features:
        """Return the features of some of the images."""
        return Features(
            [stage[images] for stage in self.stages],
            {name: feature[images] for name, feature in self.decode.items()},
            None if self.logits is None else self.logits[images],
        )


@dataclass(frozen=True)
class StudentOutput:
    """What the student makes of one view of the unlabelled images, and what it should make of it.

    Attributes:
        name (str): Prefix of the view's losses.
        logits (Tensor): Logits in the layout of ``targets``, (B_V, C, H, W).
        targets (PixelTargets): Selected pseudo-labels of the same pixels.
        weight (float): Factor of the view's losses.
    """

    name: str
    logits: Tensor
    targets: PixelTargets
    weight: float


def _identity(x: Tensor) -> Tensor:
    return x


@dataclass(frozen=True)
class SemiStep:
    """What one training step knows once the student has run.

    The student has seen B_L labelled images and one or more views of the unlabelled images. Losses on
    labels, contrast heads and ``student`` speak of the labelled images followed by the B_U images of the
    *first* view; either part may have no image. The first ``num_in_domain`` labelled images are of the domain
    that the unlabelled ones are of, the rest of another one. Student outputs are those of the *mixed*
    images; ``align`` brings an output of any resolution into the layout in which ``labeled`` and ``pseudo``
    are stated.

    Attributes:
        student (Features): Student's features of the mixed images.
        labeled (PixelTargets): Ground truth of the B_L labelled images.
        pseudo (PixelTargets): Selected pseudo-labels of the B_U unlabelled images.
        num_in_domain (int): Labelled images of the target domain.
        samples (Sequence[SegDataSample]): The labelled images' data samples, with ``labeled`` as ground
            truth, for the heads' own losses.
        logits (Tensor, optional): Aligned student logits of all these images, (B_L + B_U, C, H, W).
            A plain ``EncoderDecoder`` has those of :class:`ShareLogitsHook`, or none.
        views (Sequence[StudentOutput]): The views of the unlabelled images, the first one included.
        teacher (Features, optional): Teacher's features of the unlabelled images, in the layout of
            ``pseudo``; absent where the mixing moved pixels out of it.
        teacher_labeled (Features, optional): Teacher's features of the labelled images, in the layout
            of ``labeled``; only where a head asks for them.
        class_weight (Tensor, optional): Factor of each class in this step, (C,).
        align (Callable): Maps a student output (B_L + B_U, D, h, w) to the targets' layout.
    """

    student: Features
    labeled: PixelTargets
    pseudo: PixelTargets
    num_in_domain: int
    samples: Sequence[SegDataSample] = ()
    logits: Tensor | None = None
    views: Sequence[StudentOutput] = ()
    teacher: Features | None = None
    teacher_labeled: Features | None = None
    class_weight: Tensor | None = None
    align: Callable[[Tensor], Tensor] = _identity

    @classmethod
    def of_labels(
        cls, stages: Sequence[Tensor], labeled: PixelTargets, logits: Tensor | None = None
    ) -> SemiStep:
        """Make the step of a plain ``EncoderDecoder``: labels alone.

        Args:
            stages (Sequence[Tensor]): Feature maps of the backbone or neck.
            labeled (PixelTargets): Ground truth of the B_L images.
            logits (Tensor, optional): The decode head's logits, of any resolution.
        """
        return cls(Features(stages), labeled, labeled[:0], len(labeled), logits=logits)

    @property
    def labeled_in_domain(self) -> PixelTargets:
        """Ground truth of the labelled images of the target domain."""
        return self.labeled[: self.num_in_domain]

    @property
    def targets(self) -> PixelTargets:
        """Targets of all images of the step, labelled ones first."""
        return PixelTargets.cat([self.labeled, self.pseudo])

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
        return labels, nearest(self.logits.detach(), size).argmax(1) != labels
