"""Contrastive losses on pixel embeddings."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..utils.precision import without_autocast


def grouped_contrast(
    anchors: Tensor,
    keys: Tensor,
    anchor_mask: Tensor,
    key_mask: Tensor,
    temperature: float,
    own_offset: int | None = 0,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    r"""Supervised contrast of anchors against keys that are grouped by class.

    .. math::
        L = \sum_i \frac{1}{|P_i|} \sum_{j \in P_i}
            -\log \frac{e^{f_i \cdot k_j / \tau}}
                       {e^{f_i \cdot k_j / \tau} + \sum_{n \in N_i} e^{f_i \cdot k_n / \tau}}

    with the keys of the anchor's class as positives P (the key at the anchor's own position is
    left out) and the keys of all other classes as negatives N. Each term is
    ``softplus(logsumexp_n(s_n) - s_j)``, which never takes the logarithm of 0. Source: C3-SemiSeg
    (Zhou et al., ICCV 2021), Eq. 5.

    Cost: two (C P) x (C Q) x D products, for value and gradient together, made in tiles of rows;
    memory C P D for the gradient and one tile, never C P x C Q. Computed in float32 (or float64
    for float64 anchors).

    Args:
        anchors (Tensor): Unit vectors of shape (C, P, D).
        keys (Tensor): Unit vectors of shape (C, Q, D); constants, no gradient reaches them.
        anchor_mask (Tensor): Bool of shape (C, P); False rows are padding.
        key_mask (Tensor): Bool of shape (C, Q).
        temperature (float): :math:`\tau`, above 0.
        own_offset (int, optional): Key ``own_offset + p`` sits at the position of anchor ``p`` of the
            same class and is no positive of it. None: anchors and keys share no positions.

    Returns:
        tuple[Tensor, Tensor, Tensor, Tensor]: Sum of the loss over the anchors that have a positive,
        and the number of these anchors, of their positives and of the valid negatives of all of
        them (scalars; the last three without gradient).
    """
    if anchors.dtype != torch.float64:
        anchors, keys = anchors.float(), keys.float()
    num_anchors = anchor_mask.shape[1]
    own = key_mask.sum(1)
    positives = own.unsqueeze(1).expand(-1, num_anchors)
    if own_offset is not None:
        positives = positives - key_mask[:, own_offset : own_offset + num_anchors].long()
    counted = anchor_mask & (positives > 0)
    positives, negatives = positives * counted, (own.sum() - own).unsqueeze(1) * counted
    with without_autocast(anchors):
        loss = _GroupedContrast.apply(
            anchors, keys.detach(), counted, positives, key_mask, temperature, own_offset
        )
    return loss, counted.sum(), positives.sum(), negatives.sum()


class _GroupedContrast(torch.autograd.Function):
    """The gradient has a closed form, so it is made tile by tile beside the value.

    With s the similarities of one anchor over tau, z_j = logsumexp_n(s_n) - s_j and 1/|P| as the
    weight of each positive: dL/ds_j = -sigmoid(z_j) / |P| and
    dL/ds_n = softmax(s)_n sum_j sigmoid(z_j) / |P|.
    """

    @staticmethod
    def forward(
        ctx: Any,
        anchors: Tensor,
        keys: Tensor,
        counted: Tensor,
        positives: Tensor,
        key_mask: Tensor,
        temperature: float,
        own_offset: int | None,
    ) -> Tensor:
        _, num_anchors, dim = anchors.shape
        num_keys = keys.shape[1]
        device = anchors.device
        lowest = torch.finfo(anchors.dtype).min / 4
        flat, keys = anchors.reshape(-1, dim), keys.reshape(-1, dim)
        padding = torch.zeros_like(keys[:, 0]).masked_fill_(~key_mask.flatten(), lowest)
        # Weight of each positive of an anchor; 0 leaves the anchor out.
        share = (counted.to(anchors.dtype) / positives.clamp(min=1)).flatten()
        row = torch.arange(len(flat), device=device)
        place = torch.arange(num_keys, device=device)
        loss = anchors.new_zeros(())
        gradient = torch.empty_like(flat)
        # Launches cost most on a GPU, cache misses on a CPU.
        tile = 256 if device.type == 'cpu' else 4096
        for start in range(0, len(flat), tile):
            rows = row[start : start + tile]
            classes = rows // num_anchors
            block = (classes * num_keys).unsqueeze(1) + place
            weight = share[rows].unsqueeze(1) * key_mask[classes]
            if own_offset is not None:
                weight = weight.masked_fill_(
                    place == (rows % num_anchors + own_offset).unsqueeze(1), 0
                )
            logits = torch.addmm(padding, flat[rows], keys.T, alpha=1 / temperature)
            positive = logits.gather(1, block)
            logits.scatter_(1, block, lowest)
            peak = logits.amax(1, keepdim=True)
            logits.sub_(peak).exp_()
            total = logits.sum(1, keepdim=True)
            margin = (total.log() + peak) - positive
            loss = loss + (weight * F.softplus(margin)).sum()
            pull = weight * margin.sigmoid()
            # Without a negative all logits are `lowest`: the margin is hugely negative, the pull 0.
            logits.mul_(pull.sum(1, keepdim=True) / total)
            logits.scatter_(1, block, -pull)
            gradient[start : start + tile] = logits @ keys
        ctx.save_for_backward(gradient.div_(temperature).view_as(anchors))
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple:
        (gradient,) = ctx.saved_tensors
        return (grad * gradient, *[None] * 6)
