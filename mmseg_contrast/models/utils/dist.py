"""Reductions that make a step on several ranks equal to one step on their joint batch."""

from mmengine.dist import all_reduce
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
