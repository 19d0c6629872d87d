"""The base class of selectors."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from ...structures.running_stats import Ratio
from .top_class import TopClass


class Selector(nn.Module):
    """Decides which of the teacher's predictions are trusted.

    It turns the teacher's probabilities and the map of valid pixels into a weight for each pixel. A step
    calls :meth:`forward` on the unlabelled images before the student runs, and :meth:`observe` on the
    labelled images afterwards, also during the burn-in. Anything learnt must be computed over the batches
    of all ranks and kept in buffers.
    """

    @abstractmethod
    def forward(
        self, probs: Tensor, top: TopClass, valid: Tensor
    ) -> tuple[Tensor, dict[str, Tensor | Ratio]]:
        """Weight the pixels of the unlabelled images.

        Args:
            probs (Tensor): Teacher probabilities of shape (B, C, H, W), made in float32.
            top (TopClass): Their :func:`top_class`: the predicted class of each pixel, its probability
                and its doubt.
            valid (Tensor): Bool of shape (B, H, W); False for padding and rotation borders.

        Returns:
            tuple[Tensor, dict]: Weights in [0, 1] of shape (B, H, W), and statistics to log.
        """

    def observe(self, logits: Tensor, labels: Tensor) -> None:
        """Learn from the student's outputs on the labelled images. By default, do nothing.

        Args:
            logits (Tensor): Student logits of shape (B, C, H, W), without gradient.
            labels (Tensor): Ground truth of shape (B, H, W); values outside ``[0, C)`` are ignored.
        """
