"""The stand-in for a mask where there is none."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadValidMap(BaseTransform):
    """Gives an unlabelled image a segmentation map that only says which pixels are real.

    The map is zero on every pixel of the image. Geometric transforms treat it like any mask and
    fill what they invent (rotation borders, padding) with 255, so the packed ``gt_sem_seg`` of an
    unlabelled sample is 0 where there is an image and 255 where there is none. No file is read.

    Required Keys:

    - img_shape

    Modified Keys:

    - seg_fields

    Added Keys:

    - gt_seg_map (np.uint8): Zeros of shape (H, W).
    - reduce_zero_label (bool): False, if the data set has not set it.
    """

    def transform(self, results: dict) -> dict:
        """Adds the valid map.

        Args:
            results (dict): A sample whose image is loaded.

        Returns:
            dict: The sample with its valid map.
        """
        results['gt_seg_map'] = np.zeros(results['img_shape'][:2], dtype=np.uint8)
        results.setdefault('seg_fields', []).append('gt_seg_map')
        results.setdefault('reduce_zero_label', False)
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}()'
