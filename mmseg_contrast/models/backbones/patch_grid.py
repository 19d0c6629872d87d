"""Images of any size for backbones that see them in patches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..device import without_autocast


def on_patch_grid(
    net: Callable[[Tensor], Sequence[Tensor]], images: Tensor, size_divisor: int
) -> list[Tensor]:
    """Run a backbone on images whose size need not be a multiple of its patches.

    The images are padded at the bottom and at the right by their last row and column, up to the next
    multiple. Of the features, that part is kept which covers the image: it is stretched over the
    cells, so that a head which resizes its logits to the size of the image needs to know nothing of
    the padding. Images of a fitting size go through unchanged.

    Args:
        net (Callable): The backbone; gives feature maps (B, D_i, h_i, w_i).
        images (Tensor): Images of shape (B, 3, H, W).
        size_divisor (int): What H and W must be multiples of.

    Returns:
        list[Tensor]: The feature maps, each of which covers the H x W pixels exactly.
    """
    height, width = images.shape[2:]
    bottom, right = -height % size_divisor, -width % size_divisor
    if not (bottom or right):
        return list(net(images))
    stages = net(F.pad(images, (0, right, 0, bottom), mode='replicate'))
    shown = height / (height + bottom), width / (width + right)
    return [_cut(stage, shown) for stage in stages]


def _cut(stage: Tensor, shown: tuple[float, float]) -> Tensor:
    """Spread the shares of a map that show the image, at its top and left, over all of its cells."""
    rows, columns = (
        _linear_weights(number, share, stage.device)
        for number, share in zip(stage.shape[2:], shown)
    )
    with without_autocast(stage):
        return rows.to(stage.dtype) @ stage @ columns.to(stage.dtype).T


def _linear_weights(number: int, share: float, device: torch.device) -> Tensor:
    # Rows: where the centres of the new cells lie between those of the old ones. A resize by
    # `F.interpolate` copies where the numbers of cells are equal, whatever the scale.
    cells = torch.arange(number, dtype=torch.float32, device=device)
    centres = ((cells + 0.5) * share - 0.5).clamp(min=0)
    return (1 - (centres[:, None] - cells).abs()).clamp(min=0)
