"""Labels on the grid of a feature map."""

from __future__ import annotations

import torch
from torch import Tensor

from .pixel_targets import IGNORE_INDEX


def align_labels(
    labels: Tensor, grid: tuple[int, int], image: tuple[int, int], padded: tuple[int, int]
) -> Tensor:
    """Take the label under the centre of each cell of a feature map.

    Args:
        labels (Tensor): Labels of shape (H, W), at any size, of the image alone.
        grid (tuple[int, int]): Height and width of the feature map.
        image (tuple[int, int]): Height and width of the image that the network saw.
        padded (tuple[int, int]): The same with the padding at bottom and right.

    Returns:
        Tensor: Labels of shape ``grid``; 255 in the padding.
    """
    places = []
    for cells, size, full, source in zip(grid, image, padded, labels.shape):
        centre = (torch.arange(cells, device=labels.device) + 0.5) * full / cells
        place = (centre * source / size).long()
        places.append(torch.where(centre < size, place.clamp(max=source - 1), -1))
    rows, columns = places
    found = labels[rows.clamp(min=0)[:, None], columns.clamp(min=0)]
    outside = (rows < 0)[:, None] | (columns < 0)
    return found.masked_fill(outside, IGNORE_INDEX)
