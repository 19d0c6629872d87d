"""Contrastive losses on pixel embeddings."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..device import reading_is_free, without_autocast

#: Numbers in a tile by kind of device: 4 MiB of float32 on a CPU. Launches cost most on a GPU, cache misses
#: and memory on a CPU.
TILE_NUMBERS = {'cpu': 2**20, 'cuda': 2**26}


def refuse_create_graph(place: str) -> None:
    """Raise in a backward pass that will itself be differentiated: a closed-form gradient cannot be.

    Torch's ``once_differentiable`` misses a penalty on the gradient of the loss itself: the incoming
    gradient, which it looks at, is a constant there, and the penalty would silently have no effect.

    Args:
        place (str): Name of the function, for the error.

    Raises:
        RuntimeError: If the backward pass is run with ``create_graph=True``.
    """
    # Gradients are enabled in a backward pass if and only if its graph was asked for.
    if torch.is_grad_enabled():
        raise RuntimeError(
            f'{place} has its gradient in closed form, which cannot be differentiated again: run the '
            'backward pass without create_graph=True.'
        )


def grouped_contrast(
    anchors: Tensor,
    keys: Tensor,
    anchor_mask: Tensor,
    key_mask: Tensor,
    temperature: float,
    own_offset: int | None = 0,
    *,
    bank: Tensor | None = None,
    bank_mask: Tensor | None = None,
    top_n: int | None = None,
    reduction: str = 'mean',
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    r"""Supervised contrast of anchors against keys that are grouped by class.

    .. math::
        L = \sum_i \frac{1}{|P_i|} \sum_{j \in P_i}
            -\log \frac{e^{f_i \cdot k_j / \tau}}
                       {e^{f_i \cdot k_j / \tau} + \sum_{n \in N_i} e^{f_i \cdot k_n / \tau}}

    with the keys of the anchor's class as positives P (the key at the anchor's own position is
    left out) and the keys of all other classes as negatives N; ``bank`` adds further keys, of other
    positions. Each term is ``softplus(logsumexp_n(s_n) - s_j)``, which never takes the logarithm of 0.
    Source: C3-SemiSeg (Zhou et al., ICCV 2021), Eq. 5; with ``top_n``, which keeps of each P the N
    positives that are most similar to the anchor, CSC's Eq. 6 (its mean over them).

    Cost: two products of all anchors with all keys, for value and gradient together (and one with
    ``keys`` if these want a gradient), made in tiles of rows, on a CPU without those that are padding;
    memory C P D for the gradient and one tile, never anchors x keys. Computed in float32 (or float64
    for float64 anchors).

    Args:
        anchors (Tensor): Unit vectors of shape (C, P, D).
        keys (Tensor): Unit vectors of shape (C, Q, D).
        anchor_mask (Tensor): Bool of shape (C, P); False rows are padding.
        key_mask (Tensor): Bool of shape (C, Q).
        temperature (float): :math:`\tau`, above 0.
        own_offset (int, optional): Key ``own_offset + p`` sits at the position of anchor ``p`` of the
            same class and is no positive of it. None: anchors and keys share no positions.
        bank (Tensor, optional): Unit vectors of shape (C, L, D); constants, no gradient reaches them.
        bank_mask (Tensor, optional): Bool of shape (C, L); needed with ``bank``.
        top_n (int, optional): N, at least 1; an anchor with fewer positives keeps those it has.
        reduction (str): ``'mean'`` or, without the factor :math:`1 / |P_i|`, ``'sum'`` over the positives
            of an anchor.

    Returns:
        tuple[Tensor, Tensor, Tensor, Tensor]: Sum of the loss over the anchors that have a positive,
        and the number of these anchors, of their positives before ``top_n``, and of the valid
        negatives of all of them (scalars; the last three without gradient).

    Raises:
        RuntimeError: In the backward pass, if it is run with ``create_graph=True``.
    """
    if anchors.dtype != torch.float64:
        anchors, keys = anchors.float(), keys.float()
    num_anchors = anchor_mask.shape[1]
    own = key_mask.sum(1)
    if bank is not None:
        bank = bank.detach().to(anchors)
        own = own + bank_mask.sum(1)
    positives = own.unsqueeze(1).expand(-1, num_anchors)
    if own_offset is not None:
        positives = positives - key_mask[:, own_offset : own_offset + num_anchors].long()
    counted = anchor_mask & (positives > 0)
    positives, negatives = positives * counted, (own.sum() - own).unsqueeze(1) * counted
    divisor = positives if top_n is None else positives.clamp(max=top_n)
    if reduction == 'sum':
        divisor = counted.long()
    with without_autocast(anchors):
        loss = _GroupedContrast.apply(
            anchors,
            keys,
            bank,
            counted,
            divisor,
            key_mask,
            bank_mask,
            temperature,
            own_offset,
            top_n,
        )
    return loss, counted.sum(), positives.sum(), negatives.sum()


class _GroupedContrast(torch.autograd.Function):
    """The gradient has a closed form, so it is made tile by tile beside the value.

    With s the similarities of one anchor over tau, z_j = logsumexp_n(s_n) - s_j and 1/|P| as the weight
    of each positive: dL/ds_j = -sigmoid(z_j) / |P| and dL/ds_n = softmax(s)_n sum_j sigmoid(z_j) / |P|.
    """

    @staticmethod
    def forward(
        ctx: Any,
        anchors: Tensor,
        keys: Tensor,
        bank: Tensor | None,
        counted: Tensor,
        divisor: Tensor,
        key_mask: Tensor,
        bank_mask: Tensor | None,
        temperature: float,
        own_offset: int | None,
        top_n: int | None,
    ) -> Tensor:
        _, num_anchors, dim = anchors.shape
        device = anchors.device
        lowest = torch.finfo(anchors.dtype).min / 4
        # Nothing beside 1, and far from underflow, where exp takes ten times as long on a CPU.
        floor = 0.7 * math.log(torch.finfo(anchors.dtype).tiny)
        flat = anchors.reshape(-1, dim)
        masks = [key_mask] if bank is None else [key_mask, bank_mask]
        groups = [keys] if bank is None else [keys, bank]
        groups = [group.reshape(-1, dim) for group in groups]
        sizes = [mask.shape[1] for mask in masks]
        padding = [
            torch.zeros_like(group[:, 0]).masked_fill_(~mask.flatten(), lowest)
            for group, mask in zip(groups, masks)
        ]
        places = [torch.arange(size, device=device) for size in sizes]
        # Weight of each positive of an anchor; 0 leaves the anchor out.
        share = (counted.to(anchors.dtype) / divisor.clamp(min=1)).flatten()
        row = _counted_rows(share)
        loss = anchors.new_zeros(())
        gradient = torch.zeros_like(flat)
        key_gradient = torch.zeros_like(groups[0]) if ctx.needs_input_grad[1] else None
        tile = _tile_rows(sum(len(group) for group in groups), device)
        for rows in row.split(tile):
            tile_anchors = flat[rows]
            tile_gradient = torch.zeros_like(tile_anchors)
            classes = rows // num_anchors
            blocks = [(classes * size).unsqueeze(1) + place for size, place in zip(sizes, places)]
            counts = [mask[classes] for mask in masks]
            if own_offset is not None:
                is_own = places[0] == (rows % num_anchors + own_offset).unsqueeze(1)
                counts[0] = counts[0].masked_fill(is_own, False)
            logits = [
                torch.addmm(pad, tile_anchors, group.T, alpha=1 / temperature)
                for pad, group in zip(padding, groups)
            ]
            positive = torch.cat([x.gather(1, block) for x, block in zip(logits, blocks)], 1)
            weight = share[rows].unsqueeze(1) * torch.cat(counts, 1)
            if top_n is not None:
                most = min(top_n, positive.shape[1])
                positive, best = positive.masked_fill_(weight == 0, lowest).topk(most, 1)
                weight = weight.gather(1, best)
            for x, block in zip(logits, blocks):
                x.scatter_(1, block, lowest)
            peak = torch.stack([x.amax(1, keepdim=True) for x in logits]).amax(0)
            total = sum(x.sub_(peak).clamp_(floor).exp_().sum(1, keepdim=True) for x in logits)
            margin = (total.log() + peak) - positive
            loss = loss + (weight * F.softplus(margin)).sum()
            pull = weight * margin.sigmoid()
            # Without a negative all logits are `lowest`: the margin is hugely negative, the pull 0.
            push = pull.sum(1, keepdim=True) / total
            if top_n is not None:
                pull = pull.new_zeros(len(pull), sum(sizes)).scatter_(1, best, pull)
            for x, block, group, part in zip(logits, blocks, groups, pull.split(sizes, 1)):
                x.mul_(push).scatter_(1, block, -part)
                tile_gradient.addmm_(x, group)
            gradient[rows] = tile_gradient
            if key_gradient is not None:
                key_gradient.addmm_(logits[0].T, tile_anchors)
            # Else the next tile would be made beside this one.
            del x, logits
        gradient = gradient.div_(temperature).view_as(anchors)
        if key_gradient is None:
            ctx.save_for_backward(gradient)
        else:
            ctx.save_for_backward(gradient, key_gradient.div_(temperature).view_as(keys))
        return loss

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple:
        refuse_create_graph('grouped_contrast')
        gradient, *key_gradient = ctx.saved_tensors
        of_keys = grad * key_gradient[0] if key_gradient else None
        return (grad * gradient, of_keys, *[None] * 8)


def _counted_rows(share: Tensor) -> Tensor:
    # Padding costs as much as anchors do. Where looking for it means to wait, it is worked on too: its
    # share of the loss is 0.
    if reading_is_free(share.device):
        return share.nonzero().squeeze(1)
    return torch.arange(len(share), device=share.device)


def _tile_rows(num_keys: int, device: torch.device) -> int:
    # Tiles of 256 rows at most on a CPU, and of 96 at least, since products of fewer are slow.
    least, most = (96, 256) if device.type == 'cpu' else (32, 4096)
    numbers = TILE_NUMBERS.get(device.type, TILE_NUMBERS['cuda'])
    return max(least, min(most, numbers // max(num_keys, 1)))
