"""Colour jitter and blur of a batch on the device."""

from __future__ import annotations

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

#: RGB to luma and two chroma axes (NTSC's YIQ).
YIQ = (
    (0.299, 0.587, 0.114),
    (0.595716, -0.274453, -0.321263),
    (0.211456, -0.522591, 0.311135),
)


def jitter_color(
    images: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor, hue: Tensor
) -> Tensor:
    """Change brightness, contrast, saturation and hue of each image, in this order.

    Saturation and hue act on the chroma plane of YIQ: scaling it blends with the grey image, rotating it
    shifts the hue at constant luma. Contrast, saturation and hue form one affine map of an image's
    colours.

    Args:
        images (Tensor): RGB images of shape (B, 3, H, W) with values in [0, 1].
        brightness (Tensor): Factor of shape (B,); 1 changes nothing.
        contrast (Tensor): Factor of shape (B,), about the mean luma of the image.
        saturation (Tensor): Factor of shape (B,).
        hue (Tensor): Share of a full turn, of shape (B,).

    Returns:
        Tensor: Images with values in [0, 1].
    """
    to_yiq, to_rgb = _matrices(images.device, images.dtype)
    images = (images * brightness[:, None, None, None]).clamp(0, 1)
    mean = torch.einsum('c,bchw->b', to_yiq[0], images) / images[0, 0].numel()
    turn = torch.zeros(len(images), 3, 3, device=images.device, dtype=images.dtype)
    # Red, green, blue go round this plane clockwise.
    angle = -2 * math.pi * hue
    cos, sin = angle.cos() * saturation, angle.sin() * saturation
    turn[:, 0, 0] = 1
    turn[:, 1, 1], turn[:, 1, 2] = cos, -sin
    turn[:, 2, 1], turn[:, 2, 2] = sin, cos
    matrix = to_rgb @ turn @ to_yiq * contrast[:, None, None]
    shift = (1 - contrast) * mean
    return (torch.einsum('bij,bjhw->bihw', matrix, images) + shift[:, None, None, None]).clamp(0, 1)


@cache
def _matrices(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    # Once for each device: inverting there, and copying to it, would wait for it.
    to_yiq = torch.tensor(YIQ, dtype=torch.float64)
    both = to_yiq, torch.linalg.inv(to_yiq)
    return both[0].to(device, dtype), both[1].to(device, dtype)


def gaussian_blur(images: Tensor, sigma: Tensor, max_sigma: float) -> Tensor:
    """Blur each image with its own Gaussian; the border is reflected.

    Args:
        images (Tensor): Images of shape (B, C, H, W).
        sigma (Tensor): Standard deviation in pixels, of shape (B,), in (0, max_sigma].
        max_sigma (float): Upper bound of ``sigma``, which fixes the kernel size: 3 deviations each way.
    """
    batch, channels, height, width = images.shape
    radius = min(math.ceil(3 * max_sigma), height - 1, width - 1)
    offset = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernel = (-0.5 * (offset / sigma.unsqueeze(1)) ** 2).exp()
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0).unsqueeze(1)
    x = F.pad(images, [radius] * 4, mode='reflect').view(
        1, batch * channels, -1, width + 2 * radius
    )
    x = F.conv2d(x, kernel.unsqueeze(3), groups=batch * channels)
    x = F.conv2d(x, kernel.unsqueeze(2), groups=batch * channels)
    return x.view_as(images)
