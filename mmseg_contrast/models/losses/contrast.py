"""Contrastive losses on pixel embeddings."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


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

    Cost: one (C P) x (C Q) product; the positives are its C diagonal blocks. Computed in float32.

    Args:
        anchors (Tensor): Unit vectors of shape (C, P, D).
        keys (Tensor): Unit vectors of shape (C, Q, D).
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
    with torch.autocast(device_type=anchors.device.type, enabled=False):
        if anchors.dtype != torch.float64:
            anchors, keys = anchors.float(), keys.float()
        num_classes, num_anchors = anchor_mask.shape
        num_keys = key_mask.shape[1]
        logits = (anchors.flatten(0, 1) @ keys.flatten(0, 1).T / temperature).view(
            num_classes, num_anchors, num_classes, num_keys
        )
        classes = torch.arange(num_classes, device=anchors.device)
        positive_logits = logits[classes, :, classes]
        positive = key_mask.unsqueeze(1).expand_as(positive_logits)
        if own_offset is not None:
            own = torch.arange(num_anchors, device=anchors.device) + own_offset
            keep = own.unsqueeze(1) != torch.arange(num_keys, device=anchors.device)
            positive = positive & keep

        not_negative = (classes[:, None] == classes)[:, :, None] | ~key_mask
        lowest = torch.finfo(logits.dtype).min / 4
        negatives = logits.masked_fill(not_negative.unsqueeze(1), lowest)
        negatives = negatives.flatten(2).logsumexp(2, keepdim=True)

        terms = F.softplus(negatives - positive_logits) * positive
        num_positive = positive.sum(2)
        counted = anchor_mask & (num_positive > 0)
        loss = (terms.sum(2) / num_positive.clamp(min=1) * counted).sum()
        class_keys = key_mask.sum(1)
        return (
            loss,
            counted.sum(),
            (num_positive * counted).sum(),
            ((class_keys.sum() - class_keys).unsqueeze(1) * counted).sum(),
        )
