"""Gaussian blur of random strength."""

from __future__ import annotations

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS

from ...arguments import in_range


@TRANSFORMS.register_module()
class RandomGaussianBlur(BaseTransform):
    """Blurs the image with a Gaussian of random standard deviation.

    Works on any number of channels and on 8-bit, 16-bit and float images.

    Required Keys:

    - img

    Modified Keys:

    - img

    Args:
        sigma_range (tuple[float, float]): Least and largest standard deviation in pixels, drawn
            uniformly. Defaults to (0.1, 2.0).
        prob (float): Probability of blurring. Defaults to 0.5.

    Raises:
        ValueError: If the range is not ``0 < low <= high`` or ``prob`` not in [0, 1].
    """

    def __init__(self, sigma_range: tuple[float, float] = (0.1, 2.0), prob: float = 0.5) -> None:
        low, high = sigma_range
        if not 0 < low <= high:
            raise ValueError(
                f'RandomGaussianBlur got sigma_range={sigma_range}: give (low, high) with '
                '0 < low <= high, e.g. (0.1, 2.0).'
            )
        in_range(self, '[0, 1]', 'a probability', prob=prob)
        self.sigma_range = (low, high)
        self.prob = prob

    @cache_randomness
    def _draw_sigma(self) -> float | None:
        if np.random.rand() >= self.prob:
            return None
        return np.random.uniform(*self.sigma_range)

    def transform(self, results: dict) -> dict:
        """Blurs ``results['img']``.

        Args:
            results (dict): A sample with ``img`` of shape (H, W) or (H, W, C).

        Returns:
            dict: The same sample.
        """
        sigma = self._draw_sigma()
        if sigma is not None:
            img = results['img']
            # OpenCV drops a last axis of length one
            results['img'] = cv2.GaussianBlur(img, (0, 0), sigma).reshape(img.shape)
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(sigma_range={self.sigma_range}, prob={self.prob})'
