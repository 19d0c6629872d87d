"""CutMix around the ring of the unlabelled images, as in the published code of U2PL and CSC."""

from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor

from ...arguments import in_range
from ...structures import PixelTargets
from ...structures.pixel_targets import swap_pixels
from .base import Mixed, Mixing
from .cross_set_cutmix import place_boxes


@MODELS.register_module()
class RingCutMix(Mixing):
    r"""Each unlabelled image takes the inside of a random box from the next one, with its labels.

    .. math:: x_i' = m_i \odot x_i + (1 - m_i) \odot x_{i+1}

    The image after the last is the first, and each image has its own box: some pixels are lost and some
    occur twice, so the targets move. The labelled images are left alone. A box covers the share ``area``
    of the image; its width is uniform between that share of the image's width and the full width.
    Source: published code of U2PL (Wang et al., CVPR 2022) and CSC.

    Args:
        area (float): Share of the image in the box, in (0, 1].

    Raises:
        ValueError: If ``area`` is out of its range.
    """

    moves_targets = True

    def __init__(self, area: float = 0.5) -> None:
        super().__init__()
        in_range(self, '(0, 1]', 'a share of the image', area=area)
        self.area = area

    @torch.no_grad()
    def forward(
        self, images: Tensor, labeled: PixelTargets, pseudo: PixelTargets, num_in_domain: int
    ) -> Mixed:
        """Mix the unlabelled images of a batch; see :meth:`Mixing.forward`."""
        known, unlabeled = images.split([len(labeled), len(pseudo)])
        width = torch.rand(len(pseudo), 1, device=images.device) * (1 - self.area) + self.area
        keep = ~place_boxes(self.area / width, width, images.shape[2:])
        order = torch.arange(len(pseudo), device=images.device).roll(-1)
        images = torch.cat([known, swap_pixels(unlabeled, keep, order)])
        return Mixed(images, labeled, pseudo.mix(keep, order), moved=True)
