"""CutMix within and across the labelled and the unlabelled images."""

from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor

from ...arguments import in_range, one_of
from ...structures import PixelTargets
from ...structures.pixel_targets import nearest, swap_pixels
from .base import Mixed, Mixing

PAIRS = ('random', 'cross', 'intra', 'unlabeled')


@MODELS.register_module()
class CrossSetCutMix(Mixing):
    r"""Two images of a pair exchange the inside of one random box; both mixes are kept.

    .. math:: x_{a}' = m \odot x_a + (1 - m) \odot x_b, \quad x_{b}' = m \odot x_b + (1 - m) \odot x_a

    The exchange is its own inverse, so the student's outputs are un-mixed by the same operation and
    no target moves or is lost. Source: C3-SemiSeg (Zhou et al., ICCV 2021), section 3.2, Eq. 4; the
    box is that of French et al. (BMVC 2020): a fixed area, a height fraction :math:`area^{U(0,1)}`,
    fully inside.

    Args:
        pairs (str): ``'random'`` pairs all images of the batch at random; ``'cross'`` always a
            labelled with an unlabelled one (what is left over stays unmixed); ``'intra'`` pairs
            within each set; ``'unlabeled'`` pairs within the unlabelled set and leaves the labelled
            images alone. U2PL, UniMatch and CSC mix this set too, but not by an exchange; for U2PL and
            CSC see :class:`RingCutMix`.
        area (float | tuple[float, float]): Share of the image in the box, or its range, in (0, 1].
        prob (float): Probability that a pair is mixed.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        pairs: str = 'random',
        area: float | tuple[float, float] = 0.5,
        prob: float = 1.0,
    ) -> None:
        super().__init__()
        low, high = (area, area) if isinstance(area, (int, float)) else area
        one_of(self, PAIRS, pairs=pairs)
        if not 0 < low <= high <= 1:
            raise ValueError(f'CrossSetCutMix(area={area}) is a share of the image: use (0, 1].')
        in_range(self, '[0, 1]', 'a probability', prob=prob)
        self.pairs = pairs
        self.area = (low, high)
        self.prob = prob

    @torch.no_grad()
    def forward(
        self, images: Tensor, labeled: PixelTargets, pseudo: PixelTargets, num_in_domain: int
    ) -> Mixed:
        """Mix a batch, images of all domains alike; see :meth:`Mixing.forward`."""
        num_labeled = len(images) - len(pseudo)
        first, second = self._draw_pairs(num_labeled, len(images), images.device)
        boxes = draw_boxes(len(first), images.shape[2:], self.area, images.device)
        untouched = torch.rand(len(first), device=images.device) >= self.prob
        keep = ~boxes | untouched[:, None, None]
        order = torch.arange(len(images), device=images.device)
        order = order.index_put((first,), second).index_put((second,), first)
        mask = torch.ones(len(images), *images.shape[2:], dtype=torch.bool, device=images.device)
        mask = mask.index_put((first,), keep).index_put((second,), keep)

        def align(x: Tensor) -> Tensor:
            return swap_pixels(x, nearest(mask, x.shape[2:]), order)

        return Mixed(align(images), labeled, pseudo, align)

    def _draw_pairs(
        self, num_labeled: int, total: int, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        if self.pairs == 'random':
            return _halves(torch.randperm(total, device=device))
        labeled = torch.randperm(num_labeled, device=device)
        unlabeled = num_labeled + torch.randperm(total - num_labeled, device=device)
        if self.pairs == 'cross':
            count = min(len(labeled), len(unlabeled))
            return labeled[:count], unlabeled[:count]
        if self.pairs == 'unlabeled':
            return _halves(unlabeled)
        (a, b), (c, d) = _halves(labeled), _halves(unlabeled)
        return torch.cat([a, c]), torch.cat([b, d])


def _halves(order: Tensor) -> tuple[Tensor, Tensor]:
    # An odd one out stays unmixed.
    half = len(order) // 2
    return order[:half], order[half : 2 * half]


def draw_boxes(
    count: int, size: tuple[int, int], area: tuple[float, float], device: torch.device
) -> Tensor:
    """Draw random boxes of given areas that lie fully inside an image.

    Args:
        count (int): Number of boxes B.
        size (tuple[int, int]): Height and width of the image.
        area (tuple[float, float]): Range of the box's share of the image, in (0, 1].
        device (torch.device): Where the boxes are made.

    Returns:
        Tensor: Bool of shape (B, H, W), True inside the box.
    """
    draws = torch.rand(2, count, 1, device=device)
    share = area[0] + (area[1] - area[0]) * draws[0]
    height = share ** draws[1]
    return place_boxes(height, share / height, size)


def place_boxes(height: Tensor, width: Tensor, size: tuple[int, int]) -> Tensor:
    """Place boxes of given sides at random, fully inside an image.

    Args:
        height (Tensor): Height of each box as a share of the image's, in [0, 1], of shape (B, 1).
        width (Tensor): Its width, likewise.
        size (tuple[int, int]): Height and width of the image.

    Returns:
        Tensor: Bool of shape (B, H, W), True inside the box.
    """
    inside = []
    for length, part in zip(size, (height, width)):
        extent = (part * length).round()
        start = ((length - extent) * torch.rand_like(part)).round()
        place = torch.arange(length, device=part.device)
        inside.append((place >= start) & (place < start + extent))
    return inside[0].unsqueeze(2) & inside[1].unsqueeze(1)
