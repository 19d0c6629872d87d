"""Online hard example mining over a whole batch."""

from __future__ import annotations

import math

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import TASK_UTILS
from mmseg.structures.sampler import BasePixelSampler
from torch import Tensor

from ...arguments import at_least, in_range
from ..device import without_autocast


@TASK_UTILS.register_module()
class BatchOHEMPixelSampler(BasePixelSampler):
    r"""Keeps the hard pixels of a batch, and never fewer than a fixed number of them.

    A labelled pixel is kept if the probability of its class is at most ``thresh``, or among the
    ``min_kept`` lowest of the batch. Source: OHEM (Shrivastava et al., CVPR 2016) as in the published
    code of U2PL and CSC. MMSeg's ``OHEMPixelSampler`` multiplies ``min_kept`` by the number of images
    instead, and reads values back to the host in each step.

    The batch is that of one process: in distributed training each keeps ``min_kept`` pixels of its
    own, as in the published code. Pixels are compared by :math:`\log \frac{1 - p}{p}` in float32, which
    still tells very sure pixels apart where the probability has long been rounded to 1.

    Args:
        context (BaseDecodeHead): Head that the sampler works for; it knows the ignored label.
        thresh (float): Probability of the true class up to which a pixel is hard, in [0, 1]; 0 keeps
            ``min_kept`` pixels and no more.
        min_kept (int): Pixels of the batch that are kept at least, if it has as many labelled ones.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self, context: BaseDecodeHead, thresh: float = 0.7, min_kept: int = 100000
    ) -> None:
        super().__init__()
        in_range(self, '[0, 1]', 'a probability', thresh=thresh)
        at_least(self, 1, min_kept=min_kept)
        self.context = context
        self.thresh = thresh
        self.min_kept = min_kept

    @torch.no_grad()
    def sample(self, seg_logit: Tensor, seg_label: Tensor) -> Tensor:
        """Mark the pixels to learn from.

        Args:
            seg_logit (Tensor): Logits of shape (B, C, H, W).
            seg_label (Tensor): Labels of shape (B, 1, H, W).

        Returns:
            Tensor: 1 for the pixels that are kept and 0 for the others, float32 of shape (B, H, W).
        """
        valid = seg_label != self.context.ignore_index
        label = torch.where(valid, seg_label, 0).long()
        with without_autocast(seg_logit):
            logits = seg_logit.float()
            others = logits.scatter(1, label, -torch.inf).logsumexp(1, keepdim=True)
            difficulty = others - logits.gather(1, label)
        difficulty, order = (
            difficulty.masked_fill(~valid, -torch.inf).flatten().sort(descending=True)
        )
        kept = difficulty >= self._threshold
        kept[: self.min_kept] = True
        kept = torch.empty_like(kept).scatter_(0, order, kept).view_as(valid)
        return (kept & valid).squeeze(1).float()

    @property
    def _threshold(self) -> float:
        # log((1 - p) / p), in the limit at the ends.
        if self.thresh in (0, 1):
            return math.inf if self.thresh == 0 else -math.inf
        return math.log((1 - self.thresh) / self.thresh)
