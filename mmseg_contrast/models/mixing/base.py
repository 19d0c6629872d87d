"""What every mixing does."""

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
    """Mixed images, and how outputs on them and targets come together.

    ``align(output)`` and the targets speak of the same pixels.

    Attributes:
        images (Tensor): Mixed images of shape (B_L + V, C, H, W), labelled ones first.
        labeled (PixelTargets): Targets of the first B_L aligned outputs.
        pseudo (PixelTargets): Targets of the last V aligned outputs.
        align (Callable): Maps a student output (B_L + V, D, h, w) of any resolution.
        moved (bool): Whether the targets are other than those that were given.
    """

    images: Tensor
    labeled: PixelTargets
    pseudo: PixelTargets
    align: Callable[[Tensor], Tensor] = _identity
    moved: bool = False


class Mixing(nn.Module):
    """Exchanges or changes regions of the images of a batch, on the device.

    It gets normalised images with their targets, labelled ones first, and gives :class:`Mixed`. One that
    loses no pixel leaves the targets alone and un-mixes the student's outputs by ``align``. One that does
    lose pixels *moves* the targets and leaves the outputs alone; it may return several views of each
    unlabelled image. A step calls it once for each view that is mixed: for the first one with the labelled
    images, for the others with none.
    """

    #: Whether the targets that come out have no probabilities, so that losses must use hard labels.
    drops_probs = False
    #: Whether it moves the targets, out of the layout of the teacher's features.
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
            num_in_domain (int): Labelled images of the domain of the unlabelled ones; these come first.
        """
