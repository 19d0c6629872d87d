"""One small attention module for each class, evaluated for all classes at once."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .class_groups import class_linear
from .dist import reduce_sum
from .precision import without_autocast


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
        self, x: Tensor, belongs: Tensor, frozen: bool = False, shared: bool = False
    ) -> Tensor:
        """Normalise rows, each by the numbers of its class.

        Args:
            x (Tensor): Rows of shape (N, D).
            belongs (Tensor): Of the dtype of ``x`` and of shape (C, N), 1 where a row is of a class; a row
                of none does not count and becomes 0.
            frozen (bool): Whether to use the running statistics, as in eval mode.
            shared (bool): Whether all ranks have the same rows, which then count once.
        """
        mean, var = self.running_mean, self.running_var
        if self.training and not frozen:
            mean, var = self._batch_statistics(x, belongs, shared)
        scale = self.weight * (var + self.eps).rsqrt()
        shift = self.bias - mean * scale
        return torch.addcmul(belongs.T @ shift, x, belongs.T @ scale)

    def _batch_statistics(self, x: Tensor, belongs: Tensor, shared: bool) -> tuple[Tensor, Tensor]:
        joint = (lambda value: value) if shared else reduce_sum
        sums = joint(torch.cat([belongs @ x, belongs.sum(1, keepdim=True)], 1))
        count = sums[:, -1:].detach()
        mean = sums[:, :-1] / count.clamp(min=1)
        # Centred first: a difference of large squares would lose the variance in float32.
        centred = x - belongs.T @ mean
        var = joint(belongs @ centred.square()) / count.clamp(min=1)
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
        self, rows: Tensor, labels: Tensor, frozen: bool = False, shared: bool = False
    ) -> Tensor:
        """Score rows in any order, each by the module of its class.

        Args:
            rows (Tensor): Vectors of shape (N, D).
            labels (Tensor): Class of each, int64 of shape (N,); others than ``[0, C)`` get 0.
            frozen (bool): Whether to normalise by running statistics and leave them alone.
            shared (bool): Whether all ranks have the same rows.

        Returns:
            Tensor: Scores of shape (N,).
        """
        with without_autocast(rows):
            rows = rows.to(self.weight)
            belongs = (labels == self._classes(labels)).to(rows)
            hidden = class_linear(rows, labels, self.weight)
            hidden = F.leaky_relu(self.norm(hidden, belongs, frozen, shared), 0.2, inplace=True)
            # All modules' scores are cheap; a row takes that of its own.
            score = torch.addmm(self.score_bias, hidden, self.score_weight.T).sigmoid()
            return (score * belongs.T).sum(1)

    def score_bank(self, rows: Tensor, valid: Tensor) -> Tensor:
        """Score the rows of a bank, which is the same on every rank.

        Args:
            rows (Tensor): Bank rows of shape (C, L, D).
            valid (Tensor): Bool of shape (C, L).

        Returns:
            Tensor: Scores of shape (C, L), 0 where a row is not valid.
        """
        labels = torch.where(valid, self._classes(rows), self.num_classes)
        return self(rows.flatten(0, 1), labels.flatten(), shared=True).view_as(valid)

    def _classes(self, x: Tensor) -> Tensor:
        return torch.arange(self.num_classes, device=x.device).unsqueeze(1)
