import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from PIL import Image

from mmseg_contrast.datasets import MSRC21Dataset
from mmseg_contrast.datasets.files import list_images, read_list

ROOT = Path(__file__).parents[2]
LISTS = ROOT / 'data_lists' / 'msrc21'
DATA = ROOT / 'data' / 'msrc21'
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason='data/msrc21 is not there')


def test_metainfo_is_complete():
    meta = MSRC21Dataset.METAINFO
    assert len(meta['classes']) == len(meta['palette']) == len(set(map(tuple, meta['palette'])))
    assert len(meta['classes']) == 21


def test_finds_images_and_masks(tmp_path):
    for folder, suffix in (('images', '.jpg'), ('masks', '.png')):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.zeros((4, 6), np.uint8)).save(tmp_path / folder / f'1_1_s{suffix}')
    dataset = MSRC21Dataset(
        data_root=str(tmp_path), data_prefix={'img_path': 'images', 'seg_map_path': 'masks'}
    )
    info = dataset.get_data_info(0)
    assert info['img_path'].endswith('images/1_1_s.jpg')
    assert info['seg_map_path'].endswith('masks/1_1_s.png')


@pytest.mark.parametrize('fold', [0, 1, 2])
@pytest.mark.parametrize('labels', [21, 60])
def test_lists_show_each_class(fold, labels):
    stem = f'msrc21.{fold}@{labels}'
    labeled, unlabeled = (
        read_list(LISTS / f'{stem}.txt'),
        read_list(LISTS / f'{stem}-unlabeled.txt'),
    )
    assert len(labeled) == labels and len(unlabeled) == 413 - labels
    assert not set(labeled) & set(unlabeled)
    manifest = json.loads((LISTS / f'{stem}.json').read_text())
    assert len(manifest['classes']['images']) == 21 and min(manifest['classes']['images']) >= 1
    assert read_list(LISTS / f'msrc21.{fold}@60.txt')[:21] == read_list(
        LISTS / f'msrc21.{fold}@21.txt'
    )


def test_folds_differ():
    assert len({(LISTS / f'msrc21.{fold}@21.txt').read_text() for fold in range(3)}) == 3


@needs_data
def test_lists_and_counts_are_those_of_the_data():
    names = set(list_images(DATA / 'images' / 'train'))
    assert len(names) == 413 and len(list_images(DATA / 'images' / 'val')) == 176
    for path in LISTS.glob('msrc21.*.txt'):
        assert set(read_list(path)) < names
    val = list_images(DATA / 'images' / 'val')
    assert read_list(LISTS / 'msrc21-val.txt') == sorted(val)
    assert (
        tuple(json.loads((DATA / 'meta.json').read_text())['classes'])
        == (MSRC21Dataset.METAINFO['classes'])
    )


@needs_data
@pytest.mark.parametrize(
    'config',
    [
        'baselines/sup_mobilenetv2_msrc21-21-192x192.py',
        'c3semiseg/c3semiseg_mobilenetv2_msrc21-semi-21-192x192.py',
    ],
)
def test_crops_of_all_photos_have_labels(config, monkeypatch):
    monkeypatch.chdir(ROOT)
    init_default_scope('mmseg')
    cfg = Config.fromfile(ROOT / 'configs' / config)
    train = cfg.train_dataloader.dataset
    for source in train.get('datasets', [train]):
        dataset = DATASETS.build(source)
        for index in range(0, len(dataset), 10):
            sample = dataset[index]
            if not isinstance(sample['inputs'], dict):
                sample = {key: {'sup': value} for key, value in sample.items()}
            for branch, image in sample['inputs'].items():
                if image is None:
                    continue
                labels = sample['data_samples'][branch].gt_sem_seg.data
                assert image.shape[1:] == labels.shape[1:] and max(labels.shape) <= 192
                assert set(labels.unique().tolist()) <= {*range(21), 255}
