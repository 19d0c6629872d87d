"""ClassMix: half of the classes of one image are pasted into another."""

from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor

from ...arguments import in_range
from ...structures import PixelTargets
from ...structures.pixel_targets import swap_pixels
from .base import Mixed, Mixing


@MODELS.register_module()
class ClassMix(Mixing):
    r"""Pastes into each unlabelled image some classes of the next one, with their pseudo-labels.

    .. math:: x_i' = (1 - m_{i+1}) \odot x_i + m_{i+1} \odot x_{i+1}

    where m marks the pixels of ``floor(n / 2)`` classes, drawn from the n classes among an image's
    labels. The image after the last is the first. Pixels move, so labels, weights and probabilities move
    with them. The labelled images are left alone. Source: ClassMix (Olsson et al., WACV 2021), section 3.

    Args:
        num_classes (int): Number of classes.
        prob (float): Probability that an image receives classes of another, in [0, 1].
        extra_class (bool): Whether to pick one more class (published code of Alonso et al.).
        background (int, optional): A class that is picked only if an image has no other.

    Raises:
        ValueError: If the probability is out of range.
    """

    moves_targets = True

    def __init__(
        self,
        num_classes: int,
        prob: float = 1.0,
        extra_class: bool = False,
        background: int | None = None,
    ) -> None:
        super().__init__()
        in_range(self, '[0, 1]', 'a probability', prob=prob)
        self.num_classes = num_classes
        self.prob = prob
        self.extra_class = extra_class
        self.background = background

    @torch.no_grad()
    def forward(
        self, images: Tensor, labeled: PixelTargets, pseudo: PixelTargets, num_in_domain: int
    ) -> Mixed:
        """Mix the unlabelled images of a batch; see :meth:`Mixing.forward`."""
        known, unlabeled = images.split([len(labeled), len(pseudo)])
        coins = torch.rand(len(pseudo), device=images.device) < self.prob
        unlabeled, pseudo = self.paste(unlabeled, pseudo, coins)
        return Mixed(torch.cat([known, unlabeled]), labeled, pseudo, moved=True)

    def paste(
        self, images: Tensor, targets: PixelTargets, coins: Tensor
    ) -> tuple[Tensor, PixelTargets]:
        """Paste classes of each image into the one before it.

        Args:
            images (Tensor): Images of shape (B, C, H, W).
            targets (PixelTargets): Their labels, or pseudo-labels.
            coins (Tensor): Bool of shape (B,); which images receive classes.

        Returns:
            tuple[Tensor, PixelTargets]: Mixed images and targets.
        """
        picked = pick_classes(targets, self.num_classes, self.extra_class, self.background)
        known = targets.labels != targets.ignore_index
        labels = targets.labels.where(known, 0)
        chosen = picked.gather(1, labels.flatten(1)).view_as(labels) & known
        order = torch.arange(len(images), device=images.device).roll(-1)
        keep = ~(chosen[order] & coins[:, None, None])
        return swap_pixels(images, keep, order), targets.mix(keep, order)


def pick_classes(
    targets: PixelTargets, num_classes: int, extra_class: bool, background: int | None
) -> Tensor:
    """Pick half of the classes of each image at random.

    Args:
        targets (PixelTargets): Labels of B images.
        num_classes (int): Number of classes C.
        extra_class (bool): Whether to pick one more class.
        background (int, optional): A class that is picked only if an image has no other.

    Returns:
        Tensor: Bool of shape (B, C).
    """
    labels = targets.labels.flatten(1)
    labels = torch.where(labels != targets.ignore_index, labels, num_classes)
    present = torch.zeros(len(labels), num_classes + 1, dtype=torch.bool, device=labels.device)
    present = present.scatter(1, labels, True)[:, :-1]
    if background is not None:
        alone = present.sum(1) == 1
        present[:, background] &= alone
    scores = torch.rand(present.shape, device=labels.device).masked_fill(~present, 2.0)
    rank = scores.argsort(1).argsort(1)
    number = present.sum(1, keepdim=True)
    number = torch.minimum(number, torch.div(number, 2, rounding_mode='floor') + int(extra_class))
    return present & (rank < number)
