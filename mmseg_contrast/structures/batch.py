"""The two halves of a batch, before they are mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmseg.structures import SegDataSample
from torch import Tensor

from .pixel_targets import PixelTargets
from .step import Features


@dataclass(frozen=True)
class LabeledImages:
    """The labelled images of a batch; there may be none.

    Attributes:
        images (Tensor): Images of shape (B_L, 3, H, W).
        targets (PixelTargets): Their ground truth.
        samples (Sequence[SegDataSample]): Their data samples.
        num_in_domain (int): How many are of the domain of the unlabelled images; these come first.
    """

    images: Tensor
    targets: PixelTargets
    samples: Sequence[SegDataSample]
    num_in_domain: int

    def __len__(self) -> int:
        """Return the number of images B_L."""
        return len(self.images)

    def none(self) -> LabeledImages:
        """Return no image, of the same size."""
        return LabeledImages(self.images[:0], self.targets[:0], [], 0)


@dataclass(frozen=True)
class PseudoLabels:
    """What the teacher says of the unlabelled images of a batch; there may be none.

    Attributes:
        targets (PixelTargets): Selected pseudo-labels of the B_U images.
        features (Features, optional): The teacher's features of them; none during the burn-in.
    """

    targets: PixelTargets
    features: Features | None = None

    def __len__(self) -> int:
        """Return the number of images B_U."""
        return len(self.targets)
