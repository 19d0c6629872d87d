"""Reductions that make a step on several ranks equal to one step on their joint batch."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import all_gather, all_reduce, get_rank, get_world_size
from torch import Tensor
from torch.autograd.function import once_differentiable


def reduce_mean(x: Tensor) -> Tensor:
    """Return the mean of ``x`` over the ranks, without gradient and in every rank alike.

    A local sum divided by the *mean* of the ranks' counts gives, once DistributedDataParallel has
    averaged the gradients, the gradient of the mean over the joint batch.

    Args:
        x (Tensor): Any tensor, of the same shape on every rank.
    """
    x = x.detach().clone()
    all_reduce(x, op='mean')
    return x


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(all_gather(x.contiguous()))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        # What this rank's part did to the losses of all ranks.
        total = torch.stack(grads)
        all_reduce(total)
        return total[get_rank()]


def gather_own_first(x: Tensor, dim: int) -> Tensor:
    """Join the parts of all ranks with this rank's in front; gradients flow back to all of them.

    Args:
        x (Tensor): This rank's part, of the same shape on every rank.
        dim (int): Dimension along which the parts are joined.
    """
    if get_world_size() == 1:
        return x
    parts = _Gather.apply(x) if x.is_floating_point() else all_gather(x.contiguous())
    return torch.cat([*parts[get_rank() :], *parts[: get_rank()]], dim)
