"""Reductions that make a step on several ranks equal to one step on their joint batch."""

from __future__ import annotations

from collections.abc import Sequence
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


def _gather(x: Tensor) -> Sequence[Tensor]:
    return _Gather.apply(x) if x.is_floating_point() else all_gather(x.contiguous())


def gather_with_grad(x: Tensor, dim: int = 0) -> Tensor:
    """Join a tensor of all ranks, with the gradient of what every rank does with this rank's part.

    Args:
        x (Tensor): Any tensor, of the same shape on every rank.
        dim (int): Dimension to join along, not negative.
    """
    return x if get_world_size() == 1 else torch.cat(_gather(x), dim)


def gather_own_first(x: Tensor, dim: int) -> Tensor:
    """Join the parts of all ranks with this rank's in front; gradients flow back to all of them.

    Args:
        x (Tensor): This rank's part, of the same shape on every rank.
        dim (int): Dimension along which the parts are joined.
    """
    if get_world_size() == 1:
        return x
    parts = _gather(x)
    return torch.cat([*parts[get_rank() :], *parts[: get_rank()]], dim)


def reduce_sum(x: Tensor) -> Tensor:
    """Return the sum of ``x`` over the ranks, with a gradient through all of them.

    A loss made of such sums is the same on every rank; once DistributedDataParallel has averaged the
    gradients, they are those of the joint batch. Every rank must call this in the same order.

    Args:
        x (Tensor): Any tensor, of the same shape on every rank.
    """
    return x if get_world_size() == 1 else _ReduceSum.apply(x)


class _ReduceSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.clone()
        all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        # Each rank's loss depends on the x of every rank.
        grad = grad.clone()
        all_reduce(grad)
        return grad
