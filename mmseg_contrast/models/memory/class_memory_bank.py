"""A first-in-first-out store of embeddings for each class."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, get_world_size
from mmseg.registry import MODELS
from torch import Tensor

from .base import MemoryBank, Offer


@MODELS.register_module()
class ClassMemoryBank(MemoryBank):
    r"""A ring of L embeddings for each of C classes, in buffers on the device.

    Rows are written in the order in which they come and overwrite the oldest. Every operation has a
    fixed shape and none waits for the host. All ranks write the rows of all ranks, in the order of
    the ranks, so the bank is the same everywhere; it is part of the checkpoint.

    Args:
        num_classes (int): Number of classes C.
        size (int): Rows of each class L.
        channels (int): Channels of a row D.

    Attributes:
        pointer (Tensor): Place that the next row of each class goes to, int64 of shape (C,).
        written (Tensor): Number of the update that wrote each row, int64 of shape (C, L).

    Raises:
        ValueError: If a size is not positive.
    """

    def __init__(self, num_classes: int, size: int = 256, channels: int = 256) -> None:
        super().__init__(num_classes, size, channels)
        self.register_buffer('pointer', torch.zeros(num_classes, dtype=torch.long))
        self.register_buffer('written', torch.zeros(num_classes, size, dtype=torch.long))

    def update(self, offer: Offer) -> None:
        """Enqueue the candidates; see :meth:`MemoryBank.update`."""
        self.enqueue(*offer[:4])

    @torch.no_grad()
    def enqueue(
        self,
        candidates: Tensor,
        mask: Tensor,
        scores: Tensor | None = None,
        limit: int | None = None,
    ) -> None:
        """Write the candidates of all ranks; every rank must call this in the same steps.

        Args:
            candidates (Tensor): Embeddings of this rank, of shape (C, K, D), oldest first.
            mask (Tensor): Bool of shape (C, K); False entries are padding.
            scores (Tensor, optional): As of :class:`Offer`.
            limit (int, optional): Needed with ``scores``.
        """
        self.propose(*gather_candidates(candidates, mask, scores, limit))

    def propose(self, candidates: Tensor, mask: Tensor) -> None:
        """Take the candidates of all ranks; as :meth:`write`, which a subclass may refuse."""
        self.write(candidates, mask)

    @torch.no_grad()
    def write(self, candidates: Tensor, mask: Tensor) -> None:
        """Write candidates that are the same on every rank; where there are more than L, the last L.

        Args:
            candidates (Tensor): Embeddings of shape (C, K, D), oldest first.
            mask (Tensor): Bool of shape (C, K); False entries are padding.
        """
        order, place, filled = self.plan(mask)
        rows = _take_rows(candidates.to(self.rows), order)
        # What is not filled gets back what is there, so that shapes never depend on the data.
        rows = torch.where(filled.unsqueeze(2), rows, _take_rows(self.rows, place))
        self.rows.scatter_(1, place.unsqueeze(2).expand_as(rows), rows)
        self.updates.add_(1)
        written = torch.where(filled, self.updates, self.written.gather(1, place))
        self.written.scatter_(1, place, written)
        added = filled.sum(1)
        self.count.copy_((self.count + added).clamp(max=self.size))
        self.pointer.copy_((self.pointer + added) % self.size)

    def plan(self, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Tell which candidates :meth:`write` would put where.

        Args:
            mask (Tensor): Bool of shape (C, K); False entries are padding.

        Returns:
            tuple[Tensor, Tensor, Tensor]: Of shape (C, min(K, L)): index of the candidate, its place
            in the ring (no place occurs twice in a class), and a bool mask of what is written.
        """
        num_candidates = mask.shape[1]
        step = torch.arange(min(num_candidates, self.size), device=mask.device)
        total = mask.sum(1, keepdim=True)
        skipped = (total - self.size).clamp(min=0)
        # Valid candidates first, in their order.
        order = torch.argsort(~mask, dim=1, stable=True)
        order = order.gather(1, (skipped + step).clamp(max=num_candidates - 1))
        place = (self.pointer.unsqueeze(1) + step) % self.size
        return order, place, step < total

    @torch.no_grad()
    def statistics(self) -> dict[str, Tensor]:
        """Say how full, how old and how pure the bank is.

        Returns:
            dict[str, Tensor]: ``fill`` (share of all places), and of shape (C,)
            ``fill_per_class``, ``age_per_class`` (mean number of updates since a row was written)
            and ``purity_per_class`` (share of the rows whose nearest class mean, by cosine, is that
            of their own class). Of a class without rows, age and purity are NaN.
        """
        valid = self.valid
        # 0 / 0 of a class without rows is NaN.
        counted = self.count
        unit = F.normalize(self.rows, dim=2) * valid.unsqueeze(2)
        means = F.normalize(unit.sum(1), dim=1)
        similarity = unit @ means.T
        similarity = similarity.masked_fill(self.count == 0, -torch.inf)
        own = torch.arange(self.num_classes, device=valid.device).unsqueeze(1)
        pure = (similarity.argmax(2) == own) & valid
        age = (self.updates - self.written) * valid
        return {
            'fill': self.count.sum() / valid.numel(),
            'fill_per_class': self.count / self.size,
            'age_per_class': age.sum(1) / counted,
            'purity_per_class': pure.sum(1) / counted,
        }


def gather_candidates(
    candidates: Tensor, mask: Tensor, scores: Tensor | None = None, limit: int | None = None
) -> tuple[Tensor, Tensor]:
    """Join the candidates of all ranks, in one collective of a fixed size.

    Args:
        candidates (Tensor): Embeddings of this rank, of shape (C, K, D).
        mask (Tensor): Bool of shape (C, K).
        scores (Tensor, optional): Of shape (C, K); only the ``limit`` candidates of each class with the
            highest scores over all ranks are returned, the best first.
        limit (int, optional): Needed with ``scores``.

    Returns:
        tuple[Tensor, Tensor]: Float32 candidates of shape (C, W K, D) and their mask (C, W K), in
        the order of the W ranks.
    """
    if scores is not None:
        packed = torch.cat([candidates.float(), scores.unsqueeze(2).float()], 2)
        packed, mask = gather_candidates(packed, mask)
        ranked = packed[..., -1].masked_fill(~mask, -torch.inf)
        order = torch.argsort(ranked, dim=1, descending=True, stable=True)[:, :limit]
        return _take_rows(packed[..., :-1], order), mask.gather(1, order)
    if get_world_size() == 1:
        return candidates.float(), mask
    packed = torch.cat([candidates.float(), mask.unsqueeze(2).float()], 2)
    joined = torch.cat(all_gather(packed), 1)
    return joined[..., :-1], joined[..., -1] > 0


def _take_rows(x: Tensor, index: Tensor) -> Tensor:
    # (C, N, D) and (C, K) to (C, K, D): whole rows, not element by element
    first = torch.arange(len(x), device=x.device).unsqueeze(1) * x.shape[1]
    return x.flatten(0, 1).index_select(0, (first + index).flatten()).unflatten(0, index.shape)
