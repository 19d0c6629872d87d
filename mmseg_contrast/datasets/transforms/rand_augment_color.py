"""RandAugment with photometric operations only."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS

from ...problem import SetupError


def _enhance(magnitude: float) -> float:
    """Factor of the four 'enhance' operations: 0.1 at magnitude 0, 1.9 at 10."""
    return 0.1 + 0.18 * magnitude


def _solarize_add(img: np.ndarray, amount: int) -> np.ndarray:
    values = np.arange(256)
    table = np.where(values < 128, np.minimum(values + amount, 255), values).astype(np.uint8)
    return cv2.LUT(img, table)


# image, magnitude -> image; the backend is named because the 'pillow' one needs three channels
_ANY_CHANNELS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    'Invert': lambda img, m: mmcv.iminvert(img),
    'Posterize': lambda img, m: mmcv.posterize(img, int(0.4 * m)),
    'Solarize': lambda img, m: mmcv.solarize(img, int(25.6 * m)),
    'SolarizeAdd': lambda img, m: _solarize_add(img, int(11 * m)),
    'Brightness': lambda img, m: mmcv.adjust_brightness(img, _enhance(m), backend='cv2'),
    'Sharpness': lambda img, m: mmcv.adjust_sharpness(img, _enhance(m)),
}
_THREE_CHANNELS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    'AutoContrast': lambda img, m: mmcv.auto_contrast(img),
    'Equalize': lambda img, m: mmcv.imequalize(img),
    'Color': lambda img, m: mmcv.adjust_color(img, _enhance(m), backend='cv2'),
    'Contrast': lambda img, m: mmcv.adjust_contrast(img, _enhance(m), backend='cv2'),
}
_OPS = {**_ANY_CHANNELS, **_THREE_CHANNELS}


@TRANSFORMS.register_module()
class RandAugmentColor(BaseTransform):
    """Applies a few photometric operations drawn with replacement; geometry is never touched.

    The operations of `RandAugment <https://arxiv.org/abs/1909.13719>`_ that leave pixels where
    they are: AutoContrast, Equalize, Invert, Posterize, Solarize, SolarizeAdd, Color, Contrast,
    Brightness and Sharpness. With the magnitude m in [0, 10] that each draws for itself, the last
    four blend with factor 0.1 + 0.18 m, Posterize keeps int(0.4 m) bits, Solarize inverts values
    from int(25.6 m) on (nothing at 10), SolarizeAdd adds int(11 m) to values below 128.

    Images of other than three channels get the six operations that need no colours: Invert,
    Posterize, Solarize, SolarizeAdd, Brightness, Sharpness.

    Required Keys:

    - img (uint8)

    Modified Keys:

    - img

    Args:
        num_ops (int): Operations drawn per image. Defaults to 2.
        magnitude (float): Mean magnitude, in [0, 10]. Defaults to 10.
        prob (float): Probability of applying each operation drawn. Defaults to 0.5.
        magnitude_std (float): Standard deviation of the magnitude before it is clipped to
            [0, 10]. Defaults to 0.5.

    Raises:
        ValueError: If an argument is out of its range, or an image is not 8-bit.
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: float = 10,
        prob: float = 0.5,
        magnitude_std: float = 0.5,
    ) -> None:
        if num_ops < 1:
            raise ValueError(f'RandAugmentColor got num_ops={num_ops}: give at least 1.')
        if not 0 <= magnitude <= 10:
            raise ValueError(f'RandAugmentColor got magnitude={magnitude}: give one in [0, 10].')
        if not 0 <= prob <= 1:
            raise ValueError(f'RandAugmentColor got prob={prob}: give a number in [0, 1].')
        if magnitude_std < 0:
            raise ValueError(f'RandAugmentColor got magnitude_std={magnitude_std}: give one >= 0.')
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.prob = prob
        self.magnitude_std = magnitude_std

    @cache_randomness
    def _draw(self, names: list[str]) -> list[tuple[str, float]]:
        """Draws the operations to apply, in order, each with its magnitude."""
        ops = []
        for name in np.random.choice(names, self.num_ops).tolist():
            magnitude = np.random.normal(self.magnitude, self.magnitude_std)
            if np.random.rand() < self.prob:
                ops.append((name, float(np.clip(magnitude, 0, 10))))
        return ops

    def transform(self, results: dict) -> dict:
        """Augments ``results['img']``.

        Args:
            results (dict): A sample with ``img`` of shape (H, W) or (H, W, C), uint8.

        Returns:
            dict: The same sample.
        """
        img = results['img']
        if img.dtype != np.uint8:
            raise SetupError(
                f'RandAugmentColor works on 8-bit images and {results.get("img_path", "img")} is '
                f'{img.dtype}: leave it out of the strong pipeline (ColorJitter and '
                'RandomGaussianBlur take 16-bit and float images).'
            )
        three_channels = img.ndim == 3 and img.shape[2] == 3
        for name, magnitude in self._draw(list(_OPS if three_channels else _ANY_CHANNELS)):
            # OpenCV drops a last axis of length one
            img = _OPS[name](img, magnitude).reshape(img.shape)
        results['img'] = img
        return results

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(num_ops={self.num_ops}, magnitude={self.magnitude}, '
            f'prob={self.prob}, magnitude_std={self.magnitude_std})'
        )
