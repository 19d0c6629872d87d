"""One small attention module for each class, evaluated for all classes at once."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from mmengine.dist import get_world_size
from torch import Tensor, nn

from ..device import reading_is_free, without_autocast
from ..distributed import reduce_sum
from ..sampling.class_groups import class_blocks, rows_by_class

#: Rows of a block; a class with fewer wastes the rest of one.
BLOCK = 128


class ClassBatchNorm(nn.Module):
    """Batch norm with statistics of each class, over all ranks and over the rows that exist.

    A class with fewer than two rows in a training step is normalised by its running statistics and
    leaves them alone. One process or many, the result is that of the joint batch.

    Args:
        num_classes (int): Number of classes C.
        channels (int): Channels D.
        momentum (float): Share of the new statistics in the running ones.
        eps (float): Added to the variance.
    """

    def __init__(
        self, num_classes: int, channels: int, momentum: float = 0.1, eps: float = 1e-5
    ) -> None:
        super().__init__()
        self.momentum = momentum
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(num_classes, channels))
        self.bias = nn.Parameter(torch.zeros(num_classes, channels))
        self.register_buffer('running_mean', torch.zeros(num_classes, channels))
        self.register_buffer('running_var', torch.ones(num_classes, channels))

    def forward(
        self, x: Tensor, classes: Tensor, mask: Tensor, frozen: bool = False, shared: bool = False
    ) -> Tensor:
        """Normalise blocks of rows.

        Args:
            x (Tensor): Blocks of shape (G, R, D).
            classes (Tensor): Class of each block, int64 of shape (G,).
            mask (Tensor): Bool of shape (G, R); False rows are padding and do not count.
            frozen (bool): Whether to use the running statistics, as in eval mode.
            shared (bool): Whether all ranks have the same rows, which then count once.
        """
        mean, var = self.running_mean, self.running_var
        if self.training and not frozen:
            mean, var = self._batch_statistics(x, classes, mask, shared)
        mean, var, weight, bias = (
            each.index_select(0, classes).unsqueeze(1)
            for each in (mean, var, self.weight, self.bias)
        )
        scale = weight * (var + self.eps).rsqrt()
        return torch.addcmul(bias - mean * scale, x, scale)

    def _batch_statistics(
        self, x: Tensor, classes: Tensor, mask: Tensor, shared: bool
    ) -> tuple[Tensor, Tensor]:
        joint = (lambda value: value) if shared else reduce_sum
        every = torch.arange(len(self.weight), device=x.device)
        owner = (classes == every.unsqueeze(1)).to(x)
        kept = mask.to(x)
        sums = owner @ torch.cat([(x * kept.unsqueeze(2)).sum(1), kept.sum(1, keepdim=True)], 1)
        sums = joint(sums)
        count = sums[:, -1:].detach()
        mean = sums[:, :-1] / count.clamp(min=1)
        # Centred first: a difference of large squares would lose the variance in float32.
        centred = (x - mean[classes].unsqueeze(1)) * kept.unsqueeze(2)
        var = joint(owner @ centred.square().sum(1)) / count.clamp(min=1)
        enough = count > 1
        with torch.no_grad():
            unbiased = var * count / (count - 1).clamp(min=1)
            for running, value in ((self.running_mean, mean), (self.running_var, unbiased)):
                running.lerp_(torch.where(enough, value.to(running), running), self.momentum)
        return (
            torch.where(enough, mean, self.running_mean.to(mean)),
            torch.where(enough, var, self.running_var.to(var)),
        )


class ClassSelectors(nn.Module):
    """Class-specific attention: a score in (0, 1) for a vector, by the module of its class.

    Linear, batch norm, leaky ReLU (slope 0.2), linear to 1, sigmoid, for each of C classes in batched
    parameters. The first linear map has no bias, which the norm would take away. Source: Alonso et
    al., ICCV 2021, section 4.2. Computed in float32 (float64 for such parameters).

    Args:
        num_classes (int): Number of classes C.
        channels (int): Channels D of the vectors and of the hidden layer.
    """

    def __init__(self, num_classes: int, channels: int = 256) -> None:
        super().__init__()
        self.num_classes = num_classes
        bound = 1 / math.sqrt(channels)
        self.weight = nn.Parameter(torch.empty(num_classes, channels, channels))
        self.norm = ClassBatchNorm(num_classes, channels)
        self.score_weight = nn.Parameter(torch.empty(num_classes, channels))
        self.score_bias = nn.Parameter(torch.empty(num_classes))
        for parameter in (self.weight, self.score_weight, self.score_bias):
            nn.init.uniform_(parameter, -bound, bound)

    def forward(
        self,
        x: Tensor,
        weight: Tensor,
        classes: Tensor,
        mask: Tensor,
        frozen: bool = False,
        shared: bool = False,
    ) -> Tensor:
        """Score blocks of rows.

        Args:
            x (Tensor): Blocks of vectors, each block of one class, of shape (G, R, D).
            weight (Tensor): The first linear map of each block's class, of shape (G, D, D).
            classes (Tensor): Class of each block, int64 of shape (G,).
            mask (Tensor): Bool of shape (G, R); False rows are padding.
            frozen (bool): Whether to normalise by running statistics and leave them alone.
            shared (bool): Whether all ranks have the same rows.

        Returns:
            Tensor: Scores in (0, 1) of shape (G, R); those of padding mean nothing.
        """
        with without_autocast(x):
            x = torch.bmm(x.to(weight), weight.mT)
            x = F.leaky_relu(self.norm(x, classes, mask, frozen, shared), 0.2, inplace=True)
            score_weight = self.score_weight.index_select(0, classes).unsqueeze(1)
            score_bias = self.score_bias.index_select(0, classes).view(-1, 1, 1)
            return torch.baddbmm(score_bias, score_weight, x.mT).squeeze(1).sigmoid()

    def score_rows(self, rows: Tensor, labels: Tensor, frozen: bool = False) -> Tensor:
        """Score rows in any order, each by the module of its class.

        Args:
            rows (Tensor): Vectors of shape (N, D).
            labels (Tensor): Class of each, int64 of shape (N,); others than ``[0, C)`` get 0.
            frozen (bool): Whether to normalise by running statistics and leave them alone.

        Returns:
            Tensor: Scores of shape (N,).
        """
        if get_world_size() > 1 or not reading_is_free(rows.device):
            # All classes at once: their statistics are summed over the ranks together.
            index, mask, classes, place = class_blocks(labels, self.num_classes, BLOCK)
            scores = self(rows[index], self.weight[classes], classes, mask, frozen).flatten()
            return torch.cat([scores, scores.new_zeros(1)])[place]
        # A block for each class: no padding, and it stays in the cache from end to end. Views of the
        # matrices, since the gradient of an indexed one is as large as that of all.
        groups = rows_by_class(labels, self.num_classes)
        blocks = zip(groups, self.weight.unsqueeze(1).unbind(), self._classes(rows).split(1))
        scores = torch.cat(
            [
                self(rows.index_select(0, group)[None], weight, c, group[None] >= 0, frozen)[0]
                for group, weight, c in blocks
            ]
        )
        return scores.new_zeros(len(rows)).index_copy(0, torch.cat(groups), scores)

    def score_bank(self, rows: Tensor, valid: Tensor) -> Tensor:
        """Score the rows of a bank, which is the same on every rank.

        Args:
            rows (Tensor): Bank rows of shape (C, L, D).
            valid (Tensor): Bool of shape (C, L).

        Returns:
            Tensor: Scores of shape (C, L).
        """
        return self(rows, self.weight, self._classes(rows), valid, shared=True)

    def _classes(self, x: Tensor) -> Tensor:
        return torch.arange(self.num_classes, device=x.device)
