"""Flip and resize of a batch on the device, with its targets."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...structures import PixelTargets


def flip_and_resize(
    images: Tensor, targets: PixelTargets, flip: Tensor, scale: Tensor, place: Tensor
) -> tuple[Tensor, PixelTargets]:
    r"""Flip each image and rescale it within its frame, together with its labels and weights.

    Output column j shows the scaled column :math:`j + t`, with :math:`t = u (s - 1) W` for a
    magnification (a crop at the relative place u) and :math:`t = (s - 1) W / 2` for a reduction, which
    is centred; what lies outside is 0 in the image and ignored in the labels. Images are interpolated
    bilinearly, labels and weights taken from the pixel under each centre.

    Args:
        images (Tensor): Images of shape (B, C, H, W), of any number of channels.
        targets (PixelTargets): Their targets, without soft labels.
        flip (Tensor): Bool of shape (B,); mirrors left and right.
        scale (Tensor): s, of shape (B,), above 0; 1 leaves the size.
        place (Tensor): u, of shape (B, 2) in [0, 1], for rows and columns.

    Returns:
        tuple[Tensor, PixelTargets]: Images and targets of the same shapes.
    """
    height, width = images.shape[2:]
    scale = scale.double()
    rows = _source(height, scale, place[:, 0])
    cols = _source(width, scale, place[:, 1])
    cols = torch.where(flip[:, None], cols.flip(1), cols)
    inside = _inside(rows, height).unsqueeze(2) & _inside(cols, width).unsqueeze(1)

    y, x = (2 * rows / height - 1).float(), (2 * cols / width - 1).float()
    grid = torch.stack(
        [x.unsqueeze(1).expand(-1, height, -1), y.unsqueeze(2).expand(-1, -1, width)], 3
    )
    moved = F.grid_sample(
        images.float(), grid, mode='bilinear', padding_mode='border', align_corners=False
    )
    # Bit for bit what it was where nothing happens to an image.
    same = (scale == 1) & ~flip
    moved = torch.where(same[:, None, None, None], images, moved.to(images) * inside.unsqueeze(1))

    image = torch.arange(len(images), device=images.device)[:, None, None]
    row = rows.floor().long().clamp(0, height - 1).unsqueeze(2)
    col = cols.floor().long().clamp(0, width - 1).unsqueeze(1)
    labels = targets.labels[image, row, col].masked_fill(~inside, targets.ignore_index)
    weight = targets.weight[image, row, col] * inside
    return moved, PixelTargets(labels, weight)


def _source(length: int, scale: Tensor, place: Tensor) -> Tensor:
    # Position in the original, in pixels with centres at + 0.5, of each output pixel's centre.
    surplus = (scale - 1) * length
    start = torch.where(scale >= 1, place.double() * surplus, surplus / 2)
    centre = torch.arange(length, device=scale.device) + 0.5
    return (centre + start.unsqueeze(1)) / scale.unsqueeze(1)


def _inside(position: Tensor, length: int) -> Tensor:
    return (position >= 0) & (position < length)
