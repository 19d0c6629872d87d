"""Positive-only contrast of pixels with the rows of their class in a memory bank."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..device import without_autocast
from ..distributed import reduce_sum
from .contrast import refuse_create_graph

EPS = 1e-12


def class_bank_contrast(
    predictions: Tensor,
    labels: Tensor,
    rows: Tensor,
    valid: Tensor,
    scores: Tensor | None = None,
    row_scores: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Weighted distance of prediction vectors to all bank rows of their class.

    .. math::
        L = \frac{1}{C} \sum_c \frac{1}{N_{P_c} N_{Z_c}} \sum_{p \in P_c} \sum_{z \in Z_c}
            w_p w_z \left(1 - \frac{\langle p, z \rangle}{|p| |z|}\right), \quad
        w_p = \frac{N_{P_c} S(p)}{\sum_{p' \in P_c} S(p')}

    Source: Alonso et al., ICCV 2021, Eq. 8-11. The weights are separable and have mean 1 in each
    class, so the double sum is exactly :math:`1 - \langle \bar p_c, \bar z_c \rangle` with the
    weighted means of the unit vectors: no pair is ever formed. A class without pixels or without rows
    contributes 0. The pixels are those of all ranks; the loss is the same on every rank.

    Cost: three (C, N) x (N, D) products, for value and gradient, and five passes over the vectors; memory
    C N + N D. In float32 (or float64). The gradient cannot be differentiated again.

    Args:
        predictions (Tensor): Vectors of shape (B, D, N), not normalised.
        labels (Tensor): Class of each, int64 of shape (B, N); values outside ``[0, C)`` never count.
        rows (Tensor): Bank rows of shape (C, L, D), not normalised; no gradient reaches them.
        valid (Tensor): Bool of shape (C, L).
        scores (Tensor, optional): :math:`S(p) > 0` of shape (B, N); None weights all equally.
        row_scores (Tensor, optional): :math:`S(z) > 0` of shape (C, L); None weights all equally.

    Returns:
        tuple[Tensor, Tensor]: The loss (scalar), and the loss of each class without gradient, of
        shape (C,).

    Raises:
        RuntimeError: In the backward pass, if it is run with ``create_graph=True``.
    """
    num_classes = len(rows)
    with without_autocast(predictions):
        if predictions.dtype != torch.float64:
            predictions, rows = predictions.float(), rows.float()
        one_hot = _one_hot(labels, num_classes).to(predictions)
        share = one_hot if scores is None else one_hot * scores.to(predictions).unsqueeze(1)
        total = _UnitSums.apply(predictions, share)
        # One collective: the sums of the vectors, of their scores, and their number.
        sums = torch.cat([total, share.sum((0, 2))[:, None], one_hot.sum((0, 2))[:, None]], 1)
        sums = reduce_sum(sums)
        mean = sums[:, :-2] / sums[:, -2:-1].clamp(min=EPS)

        row_share = valid.to(predictions)
        if row_scores is not None:
            row_share = row_share * row_scores.to(predictions)
        unit = F.normalize(rows.detach(), dim=2)
        row_mean = (row_share.unsqueeze(2) * unit).sum(1)
        row_mean = row_mean / row_share.sum(1, keepdim=True).clamp(min=EPS)

        present = (sums[:, -1] > 0) & valid.any(1)
        loss = (1 - (mean * row_mean).sum(1)) * present
        return loss.sum() / num_classes, loss.detach()


class _UnitSums(torch.autograd.Function):
    """Weighted sums of the unit vectors, from vectors (B, D, N) and weights (B, C, N) to (C, D).

    The time goes into passes over the vectors; a norm and a division would add many. With G the
    gradient of the sums, x a vector and w its weights: dL/dw = G x / |x| and
    dL/dx = (G^T w - (w . dL/dw) x / |x|) / |x|.
    """

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, weights: Tensor) -> Tensor:
        length = vectors.norm(dim=1, keepdim=True)
        share = weights / length.clamp(min=EPS)
        ctx.save_for_backward(vectors, share, length)
        return torch.bmm(share, vectors.transpose(1, 2)).sum(0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        refuse_create_graph('class_bank_contrast')
        vectors, share, length = ctx.saved_tensors
        with without_autocast(vectors):
            along = grad @ vectors
            # A vector that is shorter is divided by EPS, whatever its length.
            radial = (share * along).sum(1, keepdim=True) / length.clamp(min=EPS).square()
            radial = radial.masked_fill(length < EPS, 0)
            moved = (grad.T @ share).addcmul_(vectors, radial, value=-1)
        return moved, along.div_(length.clamp(min=EPS))


def _one_hot(labels: Tensor, num_classes: int) -> Tensor:
    # (B, N) to (B, C, N), all False where the label is no class
    classes = torch.arange(num_classes, device=labels.device)
    return labels.unsqueeze(1) == classes[:, None]
