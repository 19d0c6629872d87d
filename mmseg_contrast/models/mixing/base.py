"""The base class of mixings, and what they return."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from ...structures import PixelTargets


def _identity(x: Tensor) -> Tensor:
    return x


@dataclass(frozen=True)
class Mixed:
    """Mixed images, and how outputs on them relate to the targets.

    The pixels of ``align(output)`` are those of the targets.

    Attributes:
        images (Tensor): Mixed images of shape (B_L + V, C, H, W), labelled ones first.
        labeled (PixelTargets): Targets of the first B_L aligned outputs.
        pseudo (PixelTargets): Targets of the last V aligned outputs.
        align (Callable): Maps a student output (B_L + V, D, h, w) of any resolution.
        moved (bool): Whether the targets differ from those that were passed in.
    """

    images: Tensor
    labeled: PixelTargets
    pseudo: PixelTargets
    align: Callable[[Tensor], Tensor] = _identity
    moved: bool = False


class Mixing(nn.Module):
    """Exchanges or changes regions of the images in a batch, on the device.

    It takes normalised images with their targets, labelled ones first, and returns :class:`Mixed`. A
    mixing that loses no pixels leaves the targets alone and un-mixes the student's outputs through
    ``align``. One that loses pixels *moves* the targets and leaves the outputs alone; it may return
    several views of each unlabelled image. A step calls it once for each mixed view: with the labelled
    images for the first view, without them for the others.
    """

    #: Whether the returned targets lack probabilities, so that losses must use hard labels.
    drops_probs = False
    #: Whether it moves the targets, so that they no longer match the teacher's features.
    moves_targets = False

    @abstractmethod
    def forward(
        self, images: Tensor, labeled: PixelTargets, pseudo: PixelTargets, num_in_domain: int
    ) -> Mixed:
        """Mix a batch.

        Args:
            images (Tensor): Images of shape (B_L + B_U, C, H, W), labelled ones first.
            labeled (PixelTargets): Targets of the B_L labelled images; may be empty.
            pseudo (PixelTargets): Targets of the B_U unlabelled images.
            num_in_domain (int): Number of labelled images from the domain of the unlabelled ones; they
                come first.
        """
