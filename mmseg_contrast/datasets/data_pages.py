"""Where the user reads how to lay out a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Page in docs/data and converter, by the type of the data set.
_PAGES = {
    'BDD100KDataset': ('bdd100k', ''),
    'CamVidDataset': ('camvid', 'tools/dataset_converters/camvid.py'),
    'CityscapesDataset': ('cityscapes', "MMSeg's tools/dataset_converters/cityscapes.py"),
    'GTA5Dataset': ('gta5', ''),
    'MSRC21Dataset': ('msrc21', ''),
    'MosaicDataset': ('mosaic', 'tools/dataset_converters/mosaic.py'),
    'PascalVOCDataset': ('voc12aug', "MMSeg's tools/dataset_converters/voc_aug.py"),
}


def data_page(dataset: str | type | Mapping[str, Any]) -> str:
    """Say which page describes a data set, and which converter writes it.

    Args:
        dataset (str | type | Mapping): Type or config of the data set; of unlabelled images, that of
            the data set which they are ``like``.

    Returns:
        str: ``' (see docs/data/camvid.md: tools/dataset_converters/camvid.py writes it)'``, or ''
        for a data set of the user's own.
    """
    if isinstance(dataset, Mapping):
        return data_page(dataset.get('like') or dataset.get('type') or '')
    name = dataset if isinstance(dataset, str) else dataset.__name__
    page, converter = _PAGES.get(name.rpartition('.')[2], ('', ''))
    if not page:
        return ''
    return f' (see docs/data/{page}.md{f": {converter} writes it" if converter else ""})'
