"""What a mixing slot returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ...structures import PixelTargets


@dataclass
class Mixed:
    """Mixed images, and how outputs on them and targets come together.

    A mixing that loses no pixel leaves the targets alone and un-mixes the student's outputs; one that
    does lose pixels moves the targets and leaves the outputs alone. Either way ``align(output)``
    and the targets speak of the same pixels.

    Attributes:
        images (Tensor): Mixed images of shape (B_L + B_U, 3, H, W), labelled ones first.
        labeled (PixelTargets): Targets of the first B_L aligned outputs.
        pseudo (PixelTargets): Targets of the last B_U aligned outputs.
        align (Callable): Maps a student output (B_L + B_U, D, h, w) of any resolution.
    """

    images: Tensor
    labeled: PixelTargets | None
    pseudo: PixelTargets
    align: Callable[[Tensor], Tensor]
