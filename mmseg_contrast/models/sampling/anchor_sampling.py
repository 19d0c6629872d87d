"""Class-balanced sampling of pixels with fixed shapes and no host sync."""

from __future__ import annotations

import torch
from torch import Tensor

from ..device import without_autocast


def sample_anchors(
    labels: Tensor,
    num_classes: int,
    num_samples: int,
    hard: Tensor | None = None,
    hard_ratio: float = 0.5,
    min_pixels: int | Tensor = 1,
    limits: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Draw up to K pixels of each class in each image, without replacement.

    With ``hard``, a share ``hard_ratio`` of the K comes from the hard pixels and the rest from the
    easy ones; where one side is short the other fills in (segmentation-aware sampling of C3-SemiSeg,
    section 3.3). Cost: two sorts of B h w keys; no loop over images or classes.

    Args:
        labels (Tensor): Integer labels of shape (B, h, w); values outside ``[0, num_classes)`` are
            never drawn.
        num_classes (int): Number of classes C.
        num_samples (int): K, pixels per class and image.
        hard (Tensor, optional): Bool of shape (B, h, w). Without it sampling is uniform.
        hard_ratio (float): Share of hard pixels, in [0, 1].
        min_pixels (int | Tensor): Classes with fewer pixels in an image are left out of it; one number,
            or one for each class, int64 of shape (C,).
        limits (Tensor, optional): Pixels of each class per image in the place of K, int64 of shape
            (C,), at most K.

    Returns:
        tuple[Tensor, Tensor]: Flat pixel positions (int64, in ``[0, h w)``) and a bool mask of the
        positions that were filled, both of shape (B, C, K), filled from the front.
    """
    batch, pixels = len(labels), labels[0].numel()
    labels = labels.flatten()
    device = labels.device
    groups = batch * num_classes
    image = torch.arange(batch, device=device).repeat_interleave(pixels)
    valid = (labels >= 0) & (labels < num_classes)
    easy = torch.ones_like(valid) if hard is None else ~hard.flatten()
    # One id per (image, class, hard or easy), hard ones first; the last id collects what is never drawn.
    group = torch.where(valid, image * num_classes + labels, groups)
    key = torch.where(valid, 2 * group + easy, 2 * groups)

    # A random order, made stable within each id: the rank of a pixel within its id is then random.
    order = torch.argsort(torch.rand(len(key), device=device))
    order = order[torch.argsort(key[order], stable=True)]
    counts = key.new_zeros(2 * groups + 1).scatter_add_(0, key, torch.ones_like(key))
    starts = counts.cumsum(0) - counts
    key = key[order]
    rank = torch.arange(len(key), device=device) - starts[key]

    num_hard, num_easy = counts[:-1].view(groups, 2).unbind(1)
    if isinstance(min_pixels, Tensor):
        min_pixels = min_pixels.repeat(batch)
    enough = num_hard + num_easy >= min_pixels
    if limits is None:
        limits = torch.full((num_classes,), num_samples, device=device)
    limits = limits.repeat(batch)
    quota = (limits * hard_ratio).round().long()
    take_hard = torch.minimum(num_hard, torch.maximum(limits - num_easy, quota)) * enough
    take_easy = torch.minimum(num_easy, limits - take_hard) * enough

    # Slot of each pixel in its class's K places; all that is not taken falls into one spare slot.
    take = torch.cat([torch.stack([take_hard, take_easy], 1).flatten(), take_hard.new_zeros(1)])
    offset = torch.stack([torch.zeros_like(take_hard), take_hard], 1).flatten()
    offset = torch.cat([offset, offset.new_zeros(1)])
    slot = torch.where(
        rank < take[key], (key // 2) * num_samples + offset[key] + rank, groups * num_samples
    )
    index = order.new_zeros(groups * num_samples + 1).scatter_(0, slot, order % pixels)[:-1]
    filled = torch.arange(num_samples, device=device) < (take_hard + take_easy).unsqueeze(1)
    shape = (batch, num_classes, num_samples)
    return index.view(shape), filled.view(shape)


def gather_pixels(features: Tensor, index: Tensor) -> Tensor:
    """Take the features at sampled positions in one gather.

    Args:
        features (Tensor): Feature map of shape (B, D, h, w).
        index (Tensor): Flat positions of shape (B, C, K), as from :func:`sample_anchors`.

    Returns:
        Tensor: Features of shape (B, C, K, D).
    """
    dim = features.shape[1]
    flat = index.flatten(1).unsqueeze(1).expand(-1, dim, -1)
    return features.flatten(2).gather(2, flat).transpose(1, 2).unflatten(1, index.shape[1:])


def thin_out(filled: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Draw some of the places that are filled, without replacement.

    Args:
        filled (Tensor): Bool of shape (..., K).
        number (int): Places to draw.

    Returns:
        tuple[Tensor, Tensor]: Index of the places, int64 of shape (..., min(number, K)), filled ones
        first; and a bool mask of those that are.
    """
    key = torch.rand(filled.shape, device=filled.device).masked_fill_(~filled, -1)
    key, index = key.topk(min(number, filled.shape[-1]), -1)
    return index, key >= 0


@torch.no_grad()
def closest_anchors(
    keys: Tensor,
    mask: Tensor,
    share: float,
    bank: Tensor | None = None,
    bank_mask: Tensor | None = None,
) -> Tensor:
    r"""Mark the share of the keys that lie closest to the others of their class.

    .. math:: s_i = \sum_{j \in P_i} (f_i \cdot k_j - 1)

    over all positives, keys and bank rows, so that a class with many of them counts as farther; of the n
    keys the :math:`\lceil (1 - share) n \rceil` lowest are left out. Source: published code of CSC, not
    the paper. Cost: O(C Q D), no matrix of pairs, and a sort; no host sync.

    Args:
        keys (Tensor): Unit vectors of shape (C, Q, D).
        mask (Tensor): Bool of shape (C, Q); False rows are padding.
        share (float): Share that is kept, in [0, 1].
        bank (Tensor, optional): Unit vectors of shape (C, L, D), further positives.
        bank_mask (Tensor, optional): Bool of shape (C, L); needed with ``bank``.

    Returns:
        Tensor: Bool of shape (C, Q), False on padding.
    """
    keys = keys.float()
    sums, number = (keys * mask.unsqueeze(2)).sum(1), mask.sum(1)
    if bank is not None:
        sums = sums + (bank * bank_mask.unsqueeze(2)).sum(1)
        number = number + bank_mask.sum(1)
    # A key with itself adds 1 - 1.
    with without_autocast(keys):
        score = (keys @ sums.unsqueeze(2)).squeeze(2) - number.unsqueeze(1)
    score = score.masked_fill(~mask, torch.inf).flatten()
    place = torch.arange(len(score), device=score.device)
    rank = torch.empty_like(place).scatter_(0, score.argsort(), place).view_as(mask)
    return mask & (rank >= (mask.sum().double() * (1 - share)).ceil())
