"""Random brightness, contrast, saturation and hue in random order."""

from __future__ import annotations

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS


def _blend(img: np.ndarray, other: np.ndarray | float, factor: float, top: float) -> np.ndarray:
    return np.clip(factor * img + (1 - factor) * other, 0, top)


def _gray(img: np.ndarray) -> np.ndarray:
    """The luminance of a BGR image, else the mean of the channels; shape (H, W, 1)."""
    if img.shape[2] == 3:
        return cv2.cvtColor(img, cv2.COLOR_BGR2GRAY)[..., None]
    return img.mean(axis=2, keepdims=True)


def _brightness(img: np.ndarray, factor: float, top: float) -> np.ndarray:
    return _blend(img, 0.0, factor, top)


def _contrast(img: np.ndarray, factor: float, top: float) -> np.ndarray:
    return _blend(img, float(_gray(img).mean()), factor, top)


def _saturation(img: np.ndarray, factor: float, top: float) -> np.ndarray:
    return _blend(img, _gray(img), factor, top)


def _hue(img: np.ndarray, shift: float, top: float) -> np.ndarray:
    hsv = cv2.cvtColor(img / top, cv2.COLOR_BGR2HSV)
    # float HSV has its hue in degrees; the remainder is never negative
    hsv[..., 0] = np.remainder(hsv[..., 0] + 360.0 * shift, 360.0)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR) * top


_OPS = dict(brightness=_brightness, contrast=_contrast, saturation=_saturation, hue=_hue)
_COLOR_ONLY = ('saturation', 'hue')


@TRANSFORMS.register_module()
class ColorJitter(BaseTransform):
    r"""Changes brightness, contrast, saturation and hue by random factors in random order.

    The ranges are torchvision's: a factor :math:`f \sim U[\max(0, 1 - b), 1 + b]` for the first
    three, a shift :math:`h \sim U[-b, b]` of the hue circle for the last. With :math:`I` the image
    and :math:`g` its luminance,

    .. math::
        \text{brightness: } f I \qquad
        \text{contrast: } f I + (1 - f)\,\overline{g} \qquad
        \text{saturation: } f I + (1 - f)\,g ,

    clipped to the range of values after each step, and rounded once at the end. Saturation and hue
    exist for colour images (three channels, BGR) and are left out otherwise; brightness and
    contrast take any number of channels, with the mean of the channels for :math:`g`.

    Required Keys:

    - img (uint8 in [0, 255], uint16 in [0, 65535], or float in [0, 255])

    Modified Keys:

    - img

    Args:
        brightness (float): Half width of the brightness factor's range. Defaults to 0.5.
        contrast (float): Half width of the contrast factor's range. Defaults to 0.5.
        saturation (float): Half width of the saturation factor's range. Defaults to 0.5.
        hue (float): Largest shift in turns of the hue circle, in [0, 0.5]. Defaults to 0.25.
        prob (float): Probability of changing the image at all. Defaults to 1.0.

    Raises:
        ValueError: If a range is negative, ``hue`` above 0.5, or ``prob`` not in [0, 1].
    """

    def __init__(
        self,
        brightness: float = 0.5,
        contrast: float = 0.5,
        saturation: float = 0.5,
        hue: float = 0.25,
        prob: float = 1.0,
    ) -> None:
        self.ranges = dict(brightness=brightness, contrast=contrast, saturation=saturation, hue=hue)
        for name, value in self.ranges.items():
            if value < 0:
                raise ValueError(f'ColorJitter got {name}={value}: give a number >= 0.')
        if hue > 0.5:
            raise ValueError(f'ColorJitter got hue={hue}: give turns of the circle in [0, 0.5].')
        if not 0 <= prob <= 1:
            raise ValueError(f'ColorJitter got prob={prob}: give a number in [0, 1].')
        self.prob = prob

    @cache_randomness
    def _draw(self) -> list[tuple[str, float]]:
        """Draws the operations to apply, in order, each with its factor."""
        if np.random.rand() >= self.prob:
            return []
        ops = []
        for name in np.random.permutation(list(self.ranges)).tolist():
            value = self.ranges[name]
            low, high = (-value, value) if name == 'hue' else (max(0.0, 1 - value), 1 + value)
            if value > 0:
                ops.append((name, np.random.uniform(low, high)))
        return ops

    def transform(self, results: dict) -> dict:
        """Jitters ``results['img']``.

        Args:
            results (dict): A sample with ``img`` of shape (H, W) or (H, W, C).

        Returns:
            dict: The same sample.
        """
        ops = self._draw()
        if not ops:
            return results
        img = results['img']
        integer = np.issubdtype(img.dtype, np.integer)
        top = float(np.iinfo(img.dtype).max) if integer else 255.0
        out = img.reshape(*img.shape[:2], -1).astype(np.float32)
        for name, factor in ops:
            if out.shape[2] == 3 or name not in _COLOR_ONLY:
                out = _OPS[name](out, factor, top)
        out = out.reshape(img.shape)
        results['img'] = (np.rint(out) if integer else out).astype(img.dtype)
        return results

    def __repr__(self) -> str:
        ranges = ', '.join(f'{name}={value}' for name, value in self.ranges.items())
        return f'{self.__class__.__name__}({ranges}, prob={self.prob})'
