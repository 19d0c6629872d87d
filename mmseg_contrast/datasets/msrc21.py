"""MSRC-21: photos of objects and scenes."""

from __future__ import annotations

from typing import Any

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS


@DATASETS.register_module()
class MSRC21Dataset(BaseSegDataset):
    """Photos of 21 everyday classes, 255 for unlabelled pixels, horses and mountains.

    `TextonBoost for Image Understanding: Multi-Class Object Recognition and Segmentation by Jointly
    Modeling Texture, Layout, and Context <https://doi.org/10.1007/s11263-007-0109-1>`_. The colours of
    the palette are those of the masks as published.

    Args:
        img_suffix (str): Suffix of images. Defaults to '.jpg'.
        seg_map_suffix (str): Suffix of masks. Defaults to '.png'.
        **kwargs: Arguments of :class:`mmseg.datasets.BaseSegDataset`.
    """

    METAINFO = dict(
        classes=(
            'building',
            'grass',
            'tree',
            'cow',
            'sheep',
            'sky',
            'aeroplane',
            'water',
            'face',
            'car',
            'bicycle',
            'flower',
            'sign',
            'bird',
            'book',
            'chair',
            'road',
            'cat',
            'dog',
            'body',
            'boat',
        ),
        palette=[
            [128, 0, 0],
            [0, 128, 0],
            [128, 128, 0],
            [0, 0, 128],
            [0, 128, 128],
            [128, 128, 128],
            [192, 0, 0],
            [64, 128, 0],
            [192, 128, 0],
            [64, 0, 128],
            [192, 0, 128],
            [64, 128, 128],
            [192, 128, 128],
            [0, 64, 0],
            [128, 64, 0],
            [0, 192, 0],
            [128, 64, 128],
            [0, 192, 128],
            [128, 192, 128],
            [64, 64, 0],
            [192, 64, 0],
        ],
    )

    def __init__(
        self, img_suffix: str = '.jpg', seg_map_suffix: str = '.png', **kwargs: Any
    ) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)
