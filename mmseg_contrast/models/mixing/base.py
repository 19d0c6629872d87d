"""What a mixing slot returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ...structures import PixelTargets


@dataclass
class Mixed:
    """Mixed images, and how outputs on them and targets come together.

    A mixing is called with the images (B_L + B_U, C, H, W), labelled ones first, ``labeled`` (or
    None), ``pseudo`` and ``num_target``, the number of labelled images of the target domain, which
    come first. One that loses no pixel leaves the targets alone and un-mixes the student's outputs;
    one that does lose pixels *moves* the targets and leaves the outputs alone, and may return several
    views of each unlabelled image. Either way ``align(output)`` and the targets speak of the same
    pixels.

    Attributes:
        images (Tensor): Mixed images of shape (B_L + V, C, H, W), labelled ones first.
        labeled (PixelTargets): Targets of the first B_L aligned outputs.
        pseudo (PixelTargets): Targets of the last V aligned outputs.
        align (Callable): Maps a student output (B_L + V, D, h, w) of any resolution.
        moved (bool): Whether the targets are other than those that were given.
    """

    images: Tensor
    labeled: PixelTargets | None
    pseudo: PixelTargets
    align: Callable[[Tensor], Tensor]
    moved: bool = False
