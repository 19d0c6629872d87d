"""What every selector does."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from ...structures.running_stats import Ratio
from .top_class import TopClass


class Selector(nn.Module):
    """Says which of the teacher's pixels are trusted.

    It gets the teacher's probabilities and where the images are valid, and gives a weight for each pixel. A
    step calls :meth:`forward` on the unlabelled images before the student runs, and
    :meth:`observe` on the labelled ones after it, during the burn-in too. What is learnt must
    come from the batch of all ranks, and lives in buffers.
    """

    @abstractmethod
    def forward(
        self, probs: Tensor, top: TopClass, valid: Tensor
    ) -> tuple[Tensor, dict[str, Tensor | Ratio]]:
        """Weigh the pixels of the unlabelled images.

        Args:
            probs (Tensor): Teacher probabilities of shape (B, C, H, W), made in float32.
            top (TopClass): Their :func:`top_class`: the predicted class of each pixel, its probability
                and its doubt.
            valid (Tensor): Bool of shape (B, H, W); False for padding and rotation borders.

        Returns:
            tuple[Tensor, dict]: Weights in [0, 1] of shape (B, H, W), and what to log.
        """

    def observe(self, logits: Tensor, labels: Tensor) -> None:
        """Learn from the student's outputs on the labelled images; by default nothing.

        Args:
            logits (Tensor): Student logits of shape (B, C, H, W), without gradient.
            labels (Tensor): Ground truth of shape (B, H, W); values outside ``[0, C)`` do not count.
        """
