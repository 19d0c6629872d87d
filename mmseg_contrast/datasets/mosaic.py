"""The embedded data set of texture mosaics."""

from __future__ import annotations

from typing import Any

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS


@DATASETS.register_module()
class MosaicDataset(BaseSegDataset):
    """Generated images of textured grounds with shapes and handwritten digits on them.

    Written by ``tools/dataset_converters/mosaic.py``. Classes go from frequent to rare: three
    grounds, three filled shapes, digits 0 to 4, digits 5 to 9, thin rings.

    Args:
        img_suffix (str): Suffix of images. Defaults to '.png'.
        seg_map_suffix (str): Suffix of masks. Defaults to '.png'.
        **kwargs: Arguments of :class:`mmseg.datasets.BaseSegDataset`.
    """

    METAINFO = dict(
        classes=(
            'grass',
            'brick',
            'gravel',
            'disc',
            'square',
            'triangle',
            'digit_low',
            'digit_high',
            'ring',
        ),
        palette=[
            [77, 146, 33],
            [178, 79, 52],
            [150, 150, 150],
            [31, 119, 180],
            [255, 187, 51],
            [148, 103, 189],
            [23, 190, 207],
            [227, 119, 194],
            [255, 255, 0],
        ],
    )

    def __init__(
        self, img_suffix: str = '.png', seg_map_suffix: str = '.png', **kwargs: Any
    ) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)
