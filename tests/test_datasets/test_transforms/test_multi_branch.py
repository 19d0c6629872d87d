import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmengine.registry import init_default_scope

from mmseg_contrast.datasets import MultiBranch

FIELD = ['sup', 'weak', 'strong']
PACK = dict(type='PackSegInputs')


class AddInPlace(BaseTransform):
    """Changes the sample's arrays in place, to show what branches share."""

    def transform(self, results):
        results['img'] += 1
        results['gt_seg_map'] += 1
        return results


class Reject(BaseTransform):
    def transform(self, results):
        return None


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmseg')


def sample():
    return dict(
        img=np.zeros((4, 6, 3), np.uint8),
        gt_seg_map=np.zeros((4, 6), np.uint8),
        img_shape=(4, 6),
        reduce_zero_label=False,
    )


def test_branches_are_filled_or_none():
    packed = MultiBranch(FIELD, sup=[PACK])(sample())
    assert set(packed) == {'inputs', 'data_samples'}
    assert list(packed['inputs']) == list(packed['data_samples']) == FIELD
    assert packed['inputs']['sup'].shape == (3, 4, 6)
    assert packed['data_samples']['sup'].gt_sem_seg.data.shape == (1, 4, 6)
    for branch in ('weak', 'strong'):
        assert packed['inputs'][branch] is None
        assert packed['data_samples'][branch] is None


def test_a_branch_does_not_change_its_sibling_nor_the_sample():
    results = sample()
    packed = MultiBranch(FIELD, strong=[AddInPlace(), AddInPlace(), PACK], weak=[PACK])(results)
    assert packed['inputs']['strong'].unique().tolist() == [2]
    assert packed['data_samples']['strong'].gt_sem_seg.data.unique().tolist() == [2]
    assert packed['inputs']['weak'].unique().tolist() == [0]
    assert packed['data_samples']['weak'].gt_sem_seg.data.unique().tolist() == [0]
    assert results['img'].max() == 0


def test_gray_image():
    results = sample()
    results['img'] = results['img'][..., 0]
    assert MultiBranch(FIELD, weak=[PACK])(results)['inputs']['weak'].shape == (1, 4, 6)


def test_a_rejected_branch_rejects_the_sample():
    assert MultiBranch(FIELD, weak=[PACK], strong=[Reject(), PACK])(sample()) is None


def test_bad_branches():
    with pytest.raises(ValueError, match=r"\['stong'\].*branch_field \['sup', 'weak', 'strong'\]"):
        MultiBranch(FIELD, stong=[PACK])
    with pytest.raises(ValueError, match='has no pipeline'):
        MultiBranch(FIELD)
    with pytest.raises(ValueError, match=r"branch 'weak'.*PackSegInputs"):
        MultiBranch(FIELD, weak=[AddInPlace()])(sample())


def test_collates_with_holes():
    from mmengine.dataset import pseudo_collate

    labeled = MultiBranch(FIELD, sup=[PACK])(sample())
    unlabeled = MultiBranch(FIELD, weak=[PACK], strong=[PACK])(sample())
    batch = pseudo_collate([labeled, unlabeled])
    assert list(batch['inputs']) == FIELD
    assert isinstance(batch['inputs']['sup'][0], torch.Tensor) and batch['inputs']['sup'][1] is None
    assert batch['inputs']['weak'][0] is None and batch['data_samples']['strong'][0] is None
