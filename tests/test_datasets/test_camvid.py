from pathlib import Path

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

from mmseg_contrast.datasets import CamVidDataset

DATA = Path(__file__).parents[2] / 'data' / 'camvid'


def test_classes_and_palette():
    meta = CamVidDataset.METAINFO
    assert len(meta['classes']) == len(meta['palette']) == 11
    assert meta['classes'][0] == 'Sky' and meta['classes'][8] == 'Car'
    assert len({tuple(color) for color in meta['palette']}) == 11


def test_suffixes_can_be_changed(tmp_path):
    for folder, value in (('images', 7), ('masks', 3)):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.full((4, 4), value, np.uint8)).save(tmp_path / folder / 'a.bmp')
    dataset = CamVidDataset(
        img_suffix='.bmp',
        seg_map_suffix='.bmp',
        data_root=str(tmp_path),
        data_prefix=dict(img_path='images', seg_map_path='masks'),
    )
    assert dataset[0]['seg_map_path'] == str(tmp_path / 'masks' / 'a.bmp')


@pytest.mark.skipif(not DATA.is_dir(), reason='data/camvid is not there')
@pytest.mark.parametrize('split, size', [('train', 367), ('val', 101)])
def test_real_data(split, size):
    dataset = DATASETS.build(
        dict(
            type='CamVidDataset',
            data_root=str(DATA),
            data_prefix=dict(img_path=f'images/{split}', seg_map_path=f'annotations/{split}'),
        )
    )
    assert len(dataset) == size
    mask = np.array(Image.open(dataset[0]['seg_map_path']))
    assert mask.shape == (360, 480)
    assert set(np.unique(mask)) <= {*range(11), 255}
