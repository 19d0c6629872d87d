import copy

import pytest
import torch
from helpers import data_sample, preprocessor_cfg, random_batch, random_image
from mmseg.registry import MODELS


def both(**kwargs):
    ours = MODELS.build(preprocessor_cfg(**kwargs))
    theirs = MODELS.build({**preprocessor_cfg(**kwargs), 'type': 'SegDataPreProcessor'})
    return ours, theirs


def test_each_branch_is_what_mmseg_makes_of_it():
    ours, theirs = both(size=(40, 48))
    batch = random_batch(2, 3)
    result = ours(copy.deepcopy(batch), training=True)
    assert set(result['inputs']) == set(result['data_samples']) == {'sup', 'weak', 'strong'}
    for name, count in (('sup', 2), ('weak', 3), ('strong', 3)):
        present = {
            key: [value for value in batch[key][name] if value is not None]
            for key in ('inputs', 'data_samples')
        }
        expected = theirs(present, training=True)
        assert result['inputs'][name].shape == (count, 3, 40, 48)
        assert torch.equal(result['inputs'][name], expected['inputs'])
        for ours_sample, sample in zip(result['data_samples'][name], expected['data_samples']):
            assert torch.equal(ours_sample.gt_sem_seg.data, sample.gt_sem_seg.data)
            assert ours_sample.pad_shape == sample.pad_shape == (40, 48)


def test_normalises_and_swaps_colours():
    ours, _ = both()
    batch = random_batch(1, 0)
    image = batch['inputs']['sup'][0]
    result = ours(batch, training=True)['inputs']['sup'][0]
    torch.testing.assert_close(result, (image.flip(0).float() - 127.5) / 64)


def test_order_of_samples_is_kept_among_holes():
    ours, _ = both()
    batch = random_batch(2, 2)
    for key in batch:
        for name in batch[key]:
            rows = batch[key][name]
            batch[key][name] = [rows[i] for i in (2, 0, 3, 1)]
    first = [row for row in batch['inputs']['sup'] if row is not None]
    result = ours(batch, training=True)
    for i in range(2):
        torch.testing.assert_close(
            result['inputs']['sup'][i], (first[i].flip(0).float() - 127.5) / 64
        )


def test_a_branch_that_does_not_occur_is_left_out():
    ours, _ = both()
    assert set(ours(random_batch(2, 0), training=True)['inputs']) == {'sup'}
    assert set(ours(random_batch(0, 1), training=True)['inputs']) == {'weak', 'strong'}


@pytest.mark.parametrize('seg_pad_val', [255, 0])
def test_labels_and_valid_maps_are_padded_with_255(seg_pad_val):
    ours, _ = both(size=(40, 48), seg_pad_val=seg_pad_val)
    batch = random_batch(1, 1, ignored=0.0)
    truth = batch['data_samples']['sup'][0].gt_sem_seg.data
    samples = ours(copy.deepcopy(batch), training=True)['data_samples']
    for branch, inner in (('sup', truth), ('weak', torch.zeros(1, 32, 32))):
        label = samples[branch][0].gt_sem_seg.data
        assert label.shape == (1, 40, 48)
        assert torch.equal(label[:, :32, :32], inner.to(label))
        assert (label[0, 32:] == 255).all() and (label[0, :, 32:] == 255).all()


def test_a_batch_without_branches_is_treated_as_mmseg_does():
    ours, theirs = both(test_cfg={'size_divisor': 32})
    for training in (True, False):
        batch = {
            'inputs': [random_image((30, 30)) for _ in range(2)],
            'data_samples': [data_sample(torch.zeros(30, 30)) for _ in range(2)],
        }
        result = ours(copy.deepcopy(batch), training=training)
        expected = theirs(copy.deepcopy(batch), training=training)
        assert torch.equal(result['inputs'], expected['inputs'])
        assert len(result['data_samples']) == 2
