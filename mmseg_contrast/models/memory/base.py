"""What every memory bank does."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...arguments import at_least
from ..required_hook import RequiredHook


class Offer(NamedTuple):
    """What a step offers to a memory bank, on one rank.

    Attributes:
        candidates (Tensor): Embeddings of shape (C, K, D), oldest first.
        mask (Tensor): Bool of shape (C, K); False entries are padding.
        scores (Tensor, optional): Of shape (C, K); only the ``limit`` candidates of each class with the
            highest scores over all ranks are offered.
        limit (int, optional): Needed with ``scores``.
        features (tuple[Tensor, Tensor], optional): Sums of the features of length 1 of each class in each
            image, (B, C, D), and their numbers (B, C); for banks that ``follows_features``.
    """

    candidates: Tensor
    mask: Tensor
    scores: Tensor | None = None
    limit: int | None = None
    features: tuple[Tensor, Tensor] | None = None

    def detach(self) -> Offer:
        """Return the same without a gradient."""
        scores, features = self.scores, self.features
        return self._replace(
            candidates=self.candidates.detach(),
            scores=None if scores is None else scores.detach(),
            features=None if features is None else (features[0].detach(), features[1]),
        )


class MemoryBank(nn.Module):
    """Keeps embeddings of each class from one training step to the next.

    A contrast head *stages* what a step offers, and :class:`MemoryBankHook` *commits* it after the optimiser
    step: what a backward pass has saved is never changed under it. A bank gives ``rows``, of which ``valid``
    says where there are any. All of it lives in buffers, and is the same on every rank.

    Args:
        num_classes (int): Number of classes C.
        size (int): Rows of each class L.
        channels (int): Channels of a row D.

    Attributes:
        rows (Tensor): Embeddings, float32 of shape (C, L, D); the first ``count[c]`` of class c are
            valid, the others 0.
        count (Tensor): Valid rows of each class, int64 of shape (C,), in ``[0, L]``.
        updates (Tensor): Number of updates so far, int64 scalar.

    Raises:
        ValueError: If a size is not positive.
    """

    #: Whether its rows have length 1, so that heads offer such.
    unit_rows = False
    #: Whether it follows the features of a step, so that heads offer their sums beside candidates.
    follows_features = False

    def __init__(self, num_classes: int, size: int, channels: int) -> None:
        super().__init__()
        at_least(self, 1, num_classes=num_classes, size=size, channels=channels)
        self.num_classes = num_classes
        self.size = size
        self.channels = channels
        self.register_buffer('rows', torch.zeros(num_classes, size, channels))
        self.register_buffer('count', torch.zeros(num_classes, dtype=torch.long))
        self.register_buffer('updates', torch.zeros((), dtype=torch.long))
        self._staged: Offer | None = None
        self.hook = RequiredHook('MemoryBankHook', 'nothing writes the memory bank')

    @property
    def valid(self) -> Tensor:
        """Which rows hold an embedding, bool of shape (C, L)."""
        return torch.arange(self.size, device=self.count.device) < self.count.unsqueeze(1)

    def stage(self, offer: Offer) -> None:
        """Keep what a step offers for :meth:`commit`; every rank must stage in the same steps.

        Args:
            offer (Offer): What the step offers.
        """
        self._staged = offer.detach()

    @torch.no_grad()
    def commit(self) -> None:
        """Take what was staged, if anything was."""
        if self._staged is not None:
            self.update(self._staged)
            self._staged = None

    @abstractmethod
    def update(self, offer: Offer) -> None:
        """Change the rows by what a step offers.

        Args:
            offer (Offer): What this rank has staged.
        """

    def events(self) -> dict[str, Tensor]:
        """Say what the last update was like, for the log of each step; by default nothing."""
        return {}

    @abstractmethod
    def statistics(self) -> dict[str, Tensor]:
        """Say what is in the bank, for the log of each interval: scalars, and values of each class (C,)."""
