"""What MMSeg's geometric transforms make of a valid map, up to the padded batch."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from mmseg.models import SegDataPreProcessor

import mmseg_contrast.datasets  # noqa: F401

PACK = dict(type='PackSegInputs')


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmseg')


@pytest.fixture
def image(tmp_path):
    # no black pixel, so that zeros in the output are what a transform has filled in
    img = np.random.randint(1, 256, (60, 80, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / 'image.png'), img)
    return str(tmp_path / 'image.png')


def run(path, geometry, weak=(), strong=()):
    pipeline = Compose(
        [
            dict(type='LoadImageFromFile'),
            dict(type='LoadValidMap'),
            *geometry,
            dict(
                type='MultiBranch',
                branch_field=['sup', 'weak', 'strong'],
                weak=[*weak, PACK],
                strong=[*strong, PACK],
            ),
        ]
    )
    return pipeline(dict(img_path=path, seg_fields=[], reduce_zero_label=False))


def test_rotation_border_is_ignored(image):
    """Every pixel that the rotation fills is 255; valid pixels are exactly those of the source."""
    rotate = dict(type='RandomRotate', prob=1.0, degree=(10, 10), seg_pad_val=255)
    packed = run(image, [rotate])
    valid = packed['data_samples']['weak'].gt_sem_seg.data[0]
    assert set(valid.unique().tolist()) == {0, 255}
    # nearest: the source position of a valid pixel lies inside of the image, rounded
    matrix = cv2.getRotationMatrix2D(((80 - 1) * 0.5, (60 - 1) * 0.5), -10, 1.0)
    inverse = cv2.invertAffineTransform(matrix)
    y, x = np.mgrid[:60, :80]
    source = np.einsum('ij,jhw->ihw', inverse, np.stack([x, y, np.ones_like(x)]))
    depth = np.minimum.reduce(
        [source[0] + 0.5, 79.5 - source[0], source[1] + 0.5, 59.5 - source[1]]
    )
    sure = np.abs(depth) > 0.05
    assert (valid.numpy()[sure] == np.where(depth > 0, 0, 255)[sure]).all()
    # far outside of the source there is no image, and nothing of it counts
    filled = (packed['inputs']['weak'] == 0).all(dim=0)
    assert filled.sum() > 100
    assert (valid[filled] == 255).all()


def test_pad_and_preprocessor_padding_are_ignored(image):
    packed = run(image, [dict(type='Pad', size=(64, 96))])
    sample = packed['data_samples']['weak']
    valid = sample.gt_sem_seg.data[0]
    assert (valid[:60, :80] == 0).all()
    assert (valid[60:] == 255).all() and (valid[:, 80:] == 255).all()

    packed = run(image, [dict(type='RandomCrop', crop_size=(64, 128))])
    sample = packed['data_samples']['weak']
    assert sample.gt_sem_seg.data.shape == (1, 60, 80)  # a crop never pads
    preprocessor = SegDataPreProcessor(size=(64, 128), pad_val=0, seg_pad_val=255)
    batch = preprocessor(
        dict(inputs=[packed['inputs']['weak']], data_samples=[sample]), training=True
    )
    valid = batch['data_samples'][0].gt_sem_seg.data[0]
    assert valid.shape == (64, 128)
    assert (valid[:60, :80] == 0).all()
    assert (valid[60:] == 255).all() and (valid[:, 80:] == 255).all()


def test_weak_and_strong_share_geometry_exactly(image):
    geometry = [
        dict(type='RandomResize', scale=(80, 60), ratio_range=(0.75, 1.5), keep_ratio=True),
        dict(type='RandomRotate', prob=0.5, degree=10, seg_pad_val=255),
        dict(type='RandomCrop', crop_size=(40, 40)),
        dict(type='RandomFlip', prob=0.5),
    ]
    seen = set()
    for _ in range(20):
        packed = run(image, geometry)
        weak, strong = packed['inputs']['weak'], packed['inputs']['strong']
        assert torch.equal(weak, strong)
        samples = packed['data_samples']
        assert torch.equal(samples['weak'].gt_sem_seg.data, samples['strong'].gt_sem_seg.data)
        assert samples['weak'].metainfo == samples['strong'].metainfo
        seen.add(weak.sum().item())
    assert len(seen) == 20

    # colours change the image and nothing else
    packed = run(image, geometry, strong=[dict(type='ColorJitter'), dict(type='RandAugmentColor')])
    samples = packed['data_samples']
    assert not torch.equal(packed['inputs']['weak'], packed['inputs']['strong'])
    assert torch.equal(samples['weak'].gt_sem_seg.data, samples['strong'].gt_sem_seg.data)


@pytest.mark.parametrize('channels', [1, 4])
def test_geometry_of_other_channel_numbers(channels):
    from mmseg.registry import TRANSFORMS

    img = np.random.randint(1, 256, (60, 80, channels), dtype=np.uint8)
    results = dict(img=img if channels > 1 else img[..., 0], img_shape=(60, 80), ori_shape=(60, 80))
    for cfg in (
        dict(type='LoadValidMap'),
        dict(type='RandomResize', scale=(80, 60), ratio_range=(0.75, 1.5), keep_ratio=True),
        dict(type='RandomRotate', prob=1.0, degree=10, seg_pad_val=255),
        # without labels the limit on one class can never hold, and must not fail either
        dict(type='RandomCrop', crop_size=(40, 40), cat_max_ratio=0.75),
        dict(type='RandomFlip', prob=1.0),
        dict(type='ColorJitter'),
        dict(type='RandAugmentColor', prob=1.0),
        dict(type='RandomGaussianBlur', prob=1.0),
        PACK,
    ):
        results = TRANSFORMS.build(cfg)(results)
    assert results['inputs'].shape == (channels, 40, 40)
    assert results['data_samples'].gt_sem_seg.data.shape == (1, 40, 40)
