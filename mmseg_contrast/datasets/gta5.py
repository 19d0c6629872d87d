"""GTA5, labelled as Cityscapes."""

from __future__ import annotations

from typing import Any

from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS

# place in the tuple = train id, value = label id
_LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
_NUM_LABEL_IDS = 35


@DATASETS.register_module()
class GTA5Dataset(CityscapesDataset):
    """GTA5 frames with the 19 classes of Cityscapes.

    `Playing for Data: Ground Truth from Computer Games <https://arxiv.org/abs/1608.02192>`_. The
    masks as published (``labels/00001.png``) hold label ids from 0 to 34; they are turned into
    train ids while loading, and ids that are not evaluated become 255. Nothing needs converting.

    Meta information equals that of :class:`mmseg.datasets.CityscapesDataset`, so both stand in
    one ``ConcatDataset``: the id map belongs to the files and not to the classes.

    Args:
        img_suffix (str): Suffix of images. Defaults to '.png'.
        seg_map_suffix (str): Suffix of masks. Defaults to '.png'.
        **kwargs: Arguments of :class:`mmseg.datasets.BaseSegDataset`.
    """

    def __init__(
        self, img_suffix: str = '.png', seg_map_suffix: str = '.png', **kwargs: Any
    ) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Lists the images with their masks.

        Returns:
            list[dict]: As of the base class, with ``label_map`` from label ids to classes.
        """
        label_map = dict.fromkeys(range(_NUM_LABEL_IDS), self.ignore_index)
        for train_id, label_id in enumerate(_LABEL_IDS):
            # self.label_map is set where the user asks for fewer classes
            label_map[label_id] = (self.label_map or {}).get(train_id, train_id)
        data_list = super().load_data_list()
        for data_info in data_list:
            data_info['label_map'] = label_map
        return data_list
