"""Rows of a batch, grouped by class with fixed shapes and no host sync."""

from __future__ import annotations

import torch
from torch import Tensor


def top_per_class(
    labels: Tensor, scores: Tensor, num_classes: int, number: int
) -> tuple[Tensor, Tensor]:
    """Find the K rows of each class with the highest scores.

    Cost: two sorts of N keys; no loop over classes.

    Args:
        labels (Tensor): Class of each row, int64 of shape (N,); rows of values outside ``[0, C)`` are
            never taken.
        scores (Tensor): Score of each row, of shape (N,).
        num_classes (int): Number of classes C.
        number (int): K.

    Returns:
        tuple[Tensor, Tensor]: Index of the rows, int64 of shape (C, K), highest score first, and a
        bool mask of the places that were filled.
    """
    key = _class_or_spare(labels, num_classes)
    order = torch.argsort(scores, descending=True, stable=True)
    order = order[torch.argsort(key[order], stable=True)]
    key = key[order]
    rank, counts = _rank_in_class(key, num_classes)
    spare = num_classes * number
    slot = torch.where((key < num_classes) & (rank < number), key * number + rank, spare)
    index = order.new_zeros(spare + 1).scatter_(0, slot, order)[:-1]
    filled = torch.arange(number, device=labels.device) < counts[:-1].unsqueeze(1)
    return index.view(num_classes, number), filled


def rows_by_class(labels: Tensor, num_classes: int) -> list[Tensor]:
    """Return the indices of the rows of each class; how many there are is read by the host.

    Args:
        labels (Tensor): Class of each row, int64 of shape (N,); values outside ``[0, C)`` are left out.
        num_classes (int): Number of classes C.
    """
    key = _class_or_spare(labels, num_classes)
    numbers = torch.bincount(key, minlength=num_classes + 1)
    return list(torch.argsort(key, stable=True).split(numbers.tolist())[:-1])


def class_blocks(
    labels: Tensor, num_classes: int, size: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Deal rows into blocks of one class each, so that each class can have a matrix of its own.

    There are always ``ceil(N / R) + C`` blocks: enough for any labels, and few of them empty.

    Args:
        labels (Tensor): Class of each row, int64 of shape (N,); rows of values outside ``[0, C)`` are
            in no block.
        num_classes (int): Number of classes C.
        size (int): Rows of a block R.

    Returns:
        tuple[Tensor, Tensor, Tensor, Tensor]: Index of the row at each place, int64 of shape
        (G, R); bool mask of the places that hold one; class of each block, of shape (G,); and the
        place of each row in the flattened blocks, of shape (N,), G R for a row in no block.
    """
    key = _class_or_spare(labels, num_classes)
    num_blocks = -(-len(labels) // size) + num_classes
    order = torch.argsort(key, stable=True)
    sorted_key = key[order]
    rank, counts = _rank_in_class(sorted_key, num_classes)
    used = torch.div(counts[:-1] + size - 1, size, rounding_mode='floor')
    ends = used.cumsum(0)
    starts = torch.cat([ends - used, ends.new_full((1,), num_blocks)])
    spare = num_blocks * size
    slot = torch.where(sorted_key < num_classes, starts[sorted_key] * size + rank, spare)
    place = torch.empty_like(slot).scatter_(0, order, slot)
    index = order.new_zeros(spare + 1).scatter_(0, slot, order)[:-1]
    mask = torch.zeros(spare + 1, dtype=torch.bool, device=labels.device)
    mask = mask.scatter_(0, slot, torch.ones_like(slot, dtype=torch.bool))[:-1]
    block = torch.arange(num_blocks, device=labels.device)
    classes = torch.searchsorted(ends, block, right=True).clamp(max=num_classes - 1)
    return index.view(num_blocks, size), mask.view(num_blocks, size), classes, place


def _class_or_spare(labels: Tensor, num_classes: int) -> Tensor:
    return torch.where((labels >= 0) & (labels < num_classes), labels, num_classes)


def _rank_in_class(sorted_key: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    counts = sorted_key.new_zeros(num_classes + 1)
    counts.scatter_add_(0, sorted_key, torch.ones_like(sorted_key))
    first = counts.cumsum(0) - counts
    return torch.arange(len(sorted_key), device=counts.device) - first[sorted_key], counts
