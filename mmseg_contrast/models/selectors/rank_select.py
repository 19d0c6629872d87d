"""The value of a given rank in each group, without a sort and over all processes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from mmengine.dist import all_reduce
from torch import Tensor

#: Number of bins of each of the two passes.
BINS = 2**11
#: Bits of a float32 to the right of those that the first and the second pass look at.
FIRST, SECOND = 19, 8


def rank_select(
    values: Tensor, groups: Tensor, num_groups: int, number: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    r"""Find, for each group, a limit that a given number of its values do not exceed.

    A radix select: all values are counted by their leading bits, then those in the bin of the wanted rank
    by the bits that follow. Bins of floating-point bits widen with the value, so ranks near 0 are
    resolved as well as elsewhere: the limit exceeds the value of the wanted rank by less than
    :math:`2^{-14}` of it. Equal values end up on the same side of the limit, and so do most that differ
    by less. Counts are summed over the processes; no host sync.

    Args:
        values (Tensor): float32 of shape (N,), in [0, 2); larger values and NaN count as the largest.
        groups (Tensor): Group of each value, int64 of shape (N,), in ``[0, G)``; G leaves the value out.
        num_groups (int): Number of groups G.
        number (Callable): Maps the number n of values of each group, float64 of shape (G,), to how many
            must not exceed the limit, in ``[1, n]``.

    Returns:
        tuple[Tensor, Tensor]: The limits, float32 of shape (G,), and n, int64 of shape (G,). The limit of
        an empty group is meaningless.
    """
    bits = values.view(torch.int32)
    place = torch.add((bits >> FIRST).clamp_(0, BINS - 1), groups, alpha=BINS)
    counts = _count(place, num_groups)
    total = counts.sum(1)
    wanted = number(total.double()).long().unsqueeze(1)
    digit, below = _find(counts, wanted)
    # Only these bins are counted again. What lies in others goes to the spare group, where its own bits
    # keep it from one single place, which a GPU would have to write to in turn.
    group = torch.arange(num_groups, device=place.device).unsqueeze(1)
    target = torch.full(((num_groups + 1) * BINS,), num_groups * BINS, device=place.device)
    target.scatter_(0, (group * BINS + digit).flatten(), (group * BINS).flatten())
    place = target.index_select(0, place).add_((bits >> SECOND).bitwise_and_(BINS - 1))
    last, _ = _find(_count(place, num_groups), wanted - below)
    # Half a bin beyond the bin, so that what it holds does not pass a limit that has been averaged.
    limit = (digit << FIRST) + (last << SECOND) + 3 * 2 ** (SECOND - 1)
    return limit.squeeze(1).int().view(torch.float32), total


def _count(place: Tensor, num_groups: int) -> Tensor:
    counts = torch.zeros((num_groups + 1) * BINS, dtype=torch.long, device=place.device)
    counts.scatter_add_(0, place, torch.ones_like(place))
    counts = counts[: num_groups * BINS].view(num_groups, BINS)
    all_reduce(counts)
    return counts


def _find(counts: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Return the bin in which the wanted value lies, and how many lie in the bins before it."""
    upto = counts.cumsum(1)
    found = torch.searchsorted(upto, wanted).clamp_(max=BINS - 1)
    return found, (upto - counts).gather(1, found)
