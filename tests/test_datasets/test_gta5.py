import numpy as np
import pytest
from mmengine.dataset import ConcatDataset
from mmengine.registry import init_default_scope
from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS
from PIL import Image

import mmseg_contrast.datasets  # noqa: F401

# label id of each class in the Cityscapes label definition
IDS = dict(
    road=7,
    sidewalk=8,
    building=11,
    wall=12,
    fence=13,
    pole=17,
    vegetation=21,
    terrain=22,
    sky=23,
    person=24,
    rider=25,
    car=26,
    truck=27,
    bus=28,
    train=31,
    motorcycle=32,
    bicycle=33,
    **{'traffic light': 19, 'traffic sign': 20},
)


@pytest.fixture
def root(tmp_path):
    """One frame whose mask, a palette image as published, holds every id from 0 to 34, and 255."""
    init_default_scope('mmseg')
    for folder in ('images', 'labels'):
        (tmp_path / folder).mkdir()
    Image.fromarray(np.zeros((6, 6, 3), np.uint8)).save(tmp_path / 'images' / '00001.png')
    mask = Image.fromarray(np.array([*range(35), 255], np.uint8).reshape(6, 6), mode='P')
    mask.putpalette(np.random.randint(0, 256, 768).tolist())
    mask.save(tmp_path / 'labels' / '00001.png')
    return tmp_path


def build(root, **kwargs):
    return DATASETS.build(
        dict(
            type='GTA5Dataset',
            data_root=str(root),
            data_prefix=dict(img_path='images', seg_map_path='labels'),
            pipeline=[dict(type='LoadAnnotations')],
            **kwargs,
        )
    )


def loaded(dataset):
    return dataset[0]['gt_seg_map'].ravel()[:36]


def test_label_ids_become_train_ids(root):
    expected = np.full(36, 255)
    for train_id, name in enumerate(CityscapesDataset.METAINFO['classes']):
        expected[IDS[name]] = train_id
    dataset = build(root)
    np.testing.assert_array_equal(loaded(dataset), expected)
    np.testing.assert_array_equal(loaded(dataset), expected)  # loading twice maps once


def test_fewer_classes(root):
    expected = np.full(36, 255)
    expected[IDS['car']], expected[IDS['road']] = 0, 1
    np.testing.assert_array_equal(
        loaded(build(root, metainfo=dict(classes=('car', 'road')))), expected
    )


def test_stands_beside_cityscapes(root):
    cityscapes = DATASETS.build(dict(type='CityscapesDataset', lazy_init=True))
    gta5 = build(root)
    assert gta5.metainfo == cityscapes.metainfo
    unlabeled = DATASETS.build(
        dict(
            type='UnlabeledDataset',
            like='CityscapesDataset',
            data_prefix=dict(img_path=str(root / 'images')),
        )
    )
    assert len(ConcatDataset([gta5, unlabeled])) == 2
