"""What all weights of classes do."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from ...structures import PixelTargets


class ClassWeights(nn.Module):
    """Says how much each class counts in the supervised losses and in those on pseudo-labels.

    It gets the labels of the labelled images of the target domain and the selected pseudo-labels, and
    gives a factor for each class. A step calls it once, before any mixing, in the burn-in too. What is
    learnt must come from the batch of all ranks, and lives in buffers.
    """

    #: Whether it waits for the numbers of images of the two sets. :class:`SetSizesHook` counts them before
    #: the training and hands them to ``set_sizes``.
    needs_sizes = False

    @abstractmethod
    def forward(self, labeled: PixelTargets, pseudo: PixelTargets) -> Tensor | None:
        """Return the factor of each class, of shape (C,), or None to weigh all alike.

        Args:
            labeled (PixelTargets): Labels of this rank's images; may be empty.
            pseudo (PixelTargets): Pseudo-labels of this rank's unlabelled images; may be empty.
        """
