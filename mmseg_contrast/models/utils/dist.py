"""Reductions that make a step on several ranks equal to one step on their joint batch."""

from typing import Any

import torch
from mmengine.dist import all_gather, all_reduce, get_rank, get_world_size
from torch import Tensor


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


def gather_with_grad(x: Tensor, dim: int = 0) -> Tensor:
    """Join a tensor of all ranks, with the gradient of what every rank does with this rank's part.

    Args:
        x (Tensor): Any tensor, of the same shape on every rank.
        dim (int): Dimension to join along, not negative.
    """
    return x if get_world_size() == 1 else _Gather.apply(x, dim)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dim: int) -> Tensor:
        ctx.dim, ctx.size = dim, x.shape[dim]
        return torch.cat(all_gather(x.contiguous()), dim)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        grad = grad.contiguous()
        all_reduce(grad)
        return grad.narrow(ctx.dim, get_rank() * ctx.size, ctx.size), None


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
