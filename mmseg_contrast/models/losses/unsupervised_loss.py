"""The base class of losses on pseudo-labels."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from ...structures import PixelTargets
from ...structures.running_stats import Ratio


class UnsupervisedLoss(nn.Module):
    """A loss on one view of the unlabelled images.

    It takes the student's logits and the selected pseudo-labels of the same pixels, and returns losses
    and statistics by name. It applies its own weight and ramp; the view's weight comes on top.
    """

    #: Whether it reads ``targets.probs``. A step in which no loss does has none.
    needs_probs = False

    @abstractmethod
    def forward(
        self, logits: Tensor, targets: PixelTargets, class_weight: Tensor | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor | Ratio | float]]:
        """Return the weighted losses and their statistics.

        Args:
            logits (Tensor): Student logits of shape (B, C, H, W).
            targets (PixelTargets): Selected pseudo-labels of the same pixels.
            class_weight (Tensor, optional): Factor of each class, (C,).
        """
