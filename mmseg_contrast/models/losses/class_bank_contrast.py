"""Positive-only contrast of pixels with the rows of their class in a memory bank."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..utils.dist import reduce_sum
from ..utils.precision import without_autocast

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
    weighted means of the unit vectors: no pair is ever formed. A class without pixels or without
    rows counts 0. The pixels are those of all ranks; the loss is the same on every rank.

    Cost: one (C, N) x (N, D) product and its backward; memory C N + N D. In float32 (or float64).

    Args:
        predictions (Tensor): Vectors of shape (B, D, N), not normalised.
        labels (Tensor): Class of each, int64 of shape (B, N); values outside ``[0, C)`` never count.
        rows (Tensor): Bank rows of shape (C, L, D), not normalised; no gradient reaches them.
        valid (Tensor): Bool of shape (C, L).
        scores (Tensor, optional): :math:`S(p) > 0` of shape (B, N); none weighs all alike.
        row_scores (Tensor, optional): :math:`S(z) > 0` of shape (C, L); none weighs all alike.

    Returns:
        tuple[Tensor, Tensor]: The loss (scalar), and the loss of each class without gradient, of
        shape (C,).
    """
    num_classes = len(rows)
    with without_autocast(predictions):
        if predictions.dtype != torch.float64:
            predictions, rows = predictions.float(), rows.float()
        one_hot = _one_hot(labels, num_classes).to(predictions)
        share = one_hot if scores is None else one_hot * scores.to(predictions).unsqueeze(1)
        length = predictions.norm(dim=1).clamp(min=EPS)
        total = torch.einsum('bcn,bdn->cd', share / length.unsqueeze(1), predictions)
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


def _one_hot(labels: Tensor, num_classes: int) -> Tensor:
    # (B, N) to (B, C, N), all False where the label is no class
    classes = torch.arange(num_classes, device=labels.device)
    return labels.unsqueeze(1) == classes[:, None]
