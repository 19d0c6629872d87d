"""The base class of class weights."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from ...structures import PixelTargets


class ClassWeights(nn.Module):
    """Says how much each class counts in the supervised losses and in those on pseudo-labels.

    It takes the labels of the labelled images of the target domain and the selected pseudo-labels, and
    returns a factor for each class. A step calls it once, before any mixing, also during the burn-in.
    Anything learnt must be computed over the batches of all ranks and kept in buffers.
    """

    #: Whether it waits for the numbers of images of the two sets. :class:`SetSizesHook` counts them before
    #: the training and hands them to ``set_sizes``.
    needs_sizes = False

    @abstractmethod
    def forward(self, labeled: PixelTargets, pseudo: PixelTargets) -> Tensor | None:
        """Return the factor of each class, of shape (C,), or None to weight all equally.

        Args:
            labeled (PixelTargets): Labels of this rank's images; may be empty.
            pseudo (PixelTargets): Pseudo-labels of this rank's unlabelled images; may be empty.
        """
