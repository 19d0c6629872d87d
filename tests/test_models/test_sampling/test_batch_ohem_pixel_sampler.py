import copy

import pytest
import torch
import torch.nn.functional as F
from helpers import data_sample, head_cfg, random_label
from mmseg.registry import MODELS
from sync_counter import SyncCounter

from mmseg_contrast.models.segmentors.supervised_losses import supervised_losses

THRESH, C = 0.7, 3


def head(ignore_index=255, **options):
    sampler = {'type': 'BatchOHEMPixelSampler', 'thresh': THRESH, **options}
    return MODELS.build(head_cfg(sampler=sampler, ignore_index=ignore_index))


def case(scale, size=(2, 24, 32), ignored=0.2, ignore_index=255):
    label = torch.randint(0, C, (size[0], 1, *size[1:]))
    logits = F.one_hot(label[:, 0], C).movedim(-1, 1) * scale + torch.randn(size[0], C, *size[1:])
    label[torch.rand(label.shape) < ignored] = ignore_index
    return logits, label


def literally_kept(logits, label, thresh, min_kept, ignore_index=255):
    """By a sort of all probabilities in float64."""
    probs = logits.double().softmax(1)
    pixels = [
        (float(probs[b, int(label[b, 0, y, x]), y, x]), (b, y, x))
        for b, _, y, x in (label != ignore_index).nonzero().tolist()
    ]
    pixels.sort()
    kept = torch.zeros(len(label), *label.shape[2:])
    for rank, (prob, place) in enumerate(pixels):
        if rank < min_kept or prob <= thresh:
            kept[place] = 1
    return kept


@pytest.mark.parametrize('scale', [0.0, 3.0, 12.0])
@pytest.mark.parametrize('min_kept', [1, 100, 700, 10**6])
@pytest.mark.parametrize('ignore_index', [255, 0])
def test_keeps_what_a_literal_sort_of_the_batch_keeps(scale, min_kept, ignore_index):
    logits, label = case(scale, ignore_index=ignore_index)
    kept = head(ignore_index, min_kept=min_kept).sampler.sample(logits, label)
    expected = literally_kept(logits, label, THRESH, min_kept, ignore_index)
    assert torch.equal(kept, expected)


def test_keeps_as_many_pixels_of_a_batch_of_sure_ones_as_it_is_told():
    """Not so many of each image, as MMSeg's does."""
    logits, label = case(12.0, size=(4, 40, 50), ignored=0.0)
    assert int(head(min_kept=1000).sampler.sample(logits, label).sum()) == 1000


def test_pixels_too_sure_for_a_probability_in_float32_are_told_apart():
    logits = torch.zeros(1, C, 1, 8)
    logits[0, 0, 0] = torch.tensor([40.0, 39, 38, 37, 36, 35, 34, 33])
    assert (logits.softmax(1)[0, 0] == 1).all()
    kept = head(min_kept=3).sampler.sample(logits, torch.zeros(1, 1, 1, 8, dtype=torch.long))
    assert kept[0, 0].tolist() == [0, 0, 0, 0, 0, 1, 1, 1]


def test_the_ends_of_the_threshold():
    logits, label = case(1.0)
    assert int(head(min_kept=5, thresh=0.0).sampler.sample(logits, label).sum()) == 5
    kept = head(min_kept=5, thresh=1.0).sampler.sample(logits, label)
    assert torch.equal(kept.bool(), label[:, 0] != 255)


def test_a_batch_without_labels_keeps_nothing():
    logits, label = case(1.0, ignored=1.1)
    assert not head(min_kept=5).sampler.sample(logits, label).any()


def test_autocast_makes_no_difference():
    logits, label = case(3.0)
    logits = logits.bfloat16()
    sampler = head(min_kept=100).sampler
    with torch.autocast('cpu', torch.bfloat16):
        kept = sampler.sample(logits, label)
    assert torch.equal(kept, sampler.sample(logits.float(), label))


def test_loss_is_the_mean_over_the_pixels_that_are_kept():
    """With factors of the classes and ignored pixels, in MMSeg's way to the loss and in ours."""
    samples = [data_sample(random_label((8, 8))) for _ in range(2)]
    logits, label = torch.randn(2, C, 8, 8), torch.stack([s.gt_sem_seg.data for s in samples])
    factors = [1.0, 2.0, 0.5]
    sampler = {'type': 'BatchOHEMPixelSampler', 'thresh': 0.2, 'min_kept': 20}
    loss = {'type': 'PixelCrossEntropyLoss', 'class_weight': factors}
    built = MODELS.build(head_cfg(sampler=sampler, loss_decode=loss))
    kept = literally_kept(logits, label, 0.2, 20)
    each = F.cross_entropy(
        logits, label[:, 0], torch.tensor(factors), ignore_index=255, reduction='none'
    )
    expected = (each * kept).sum() / kept.sum()
    torch.testing.assert_close(supervised_losses(built, logits, samples)['loss_ce'], expected)
    theirs = built.loss_by_feat(logits, copy.deepcopy(samples))['loss_ce']
    torch.testing.assert_close(theirs, expected)


def test_reads_nothing_back_to_the_host():
    logits, label = case(3.0)
    sampler = head(min_kept=100).sampler
    with SyncCounter() as counter:
        sampler.sample(logits, label)
    assert counter.total == 0, counter.counts


@pytest.mark.parametrize('options', [{'thresh': 1.2}, {'thresh': -0.1}, {'min_kept': 0}])
def test_what_is_out_of_its_range_is_named(options):
    ((key, value),) = options.items()
    with pytest.raises(ValueError, match=f'{key}={value}'):
        head(**options)
