import math

import pytest
import torch
import torch.nn.functional as F

from mmseg_contrast.models.sampling.anchor_sampling import (
    closest_anchors,
    gather_pixels,
    sample_anchors,
    thin_out,
)

C = 4


def random_case(batch=3, size=(9, 7), classes=C, ignored=0.2):
    labels = torch.randint(0, classes, (batch, *size))
    # A long tail: the last class is rare.
    labels[(labels == classes - 1) & (torch.rand(batch, *size) < 0.8)] = 0
    labels[torch.rand(batch, *size) < ignored] = 255
    return labels, torch.rand(batch, *size) < 0.3


def expected_counts(num_hard, num_easy, num_samples, ratio, min_pixels):
    """How many hard and easy pixels of a class are due, written out."""
    if num_hard + num_easy < min_pixels:
        return 0, 0
    hard = round(num_samples * ratio)
    easy = num_samples - hard
    if num_hard < hard:
        return num_hard, min(num_easy, num_samples - num_hard)
    if num_easy < easy:
        return min(num_hard, num_samples - num_easy), num_easy
    return hard, easy


def check_contract(labels, hard, num_samples, ratio=0.5, min_pixels=1, classes=C):
    index, filled = sample_anchors(labels, classes, num_samples, hard, ratio, min_pixels)
    assert index.shape == filled.shape == (len(labels), classes, num_samples)
    assert index.dtype == torch.int64 and filled.dtype == torch.bool
    assert int(index.min()) >= 0 and int(index.max()) < labels[0].numel()
    for b in range(len(labels)):
        flat = labels[b].flatten()
        for c in range(classes):
            drawn = index[b, c][filled[b, c]]
            assert len(drawn.unique()) == len(drawn), 'without replacement'
            assert (flat[drawn] == c).all()
            assert filled[b, c, : len(drawn)].all(), 'filled from the front'
            is_hard = hard[b].flatten()
            num_hard = int(((flat == c) & is_hard).sum())
            num_easy = int(((flat == c) & ~is_hard).sum())
            due = expected_counts(num_hard, num_easy, num_samples, ratio, min_pixels)
            got = int(is_hard[drawn].sum()), int((~is_hard[drawn]).sum())
            assert got == due, (b, c, num_hard, num_easy)


@pytest.mark.parametrize('num_samples', [1, 3, 4, 10, 200])
@pytest.mark.parametrize('ratio', [0.0, 0.3, 0.5, 1.0])
def test_counts_of_each_class_and_side(num_samples, ratio):
    check_contract(*random_case(), num_samples, ratio)


@pytest.mark.parametrize('hard_share', [0.0, 0.05, 0.95, 1.0])
def test_either_side_fills_from_the_other(hard_share):
    labels, _ = random_case(size=(16, 16))
    hard = torch.rand(labels.shape) < hard_share
    check_contract(labels, hard, 10)
    _, filled = sample_anchors(labels, C, 10, hard)
    enough = torch.stack([(labels == c).sum((1, 2)) >= 10 for c in range(C)], 1)
    assert filled.all(2)[enough].all(), 'a class with K pixels gives K, whichever side they are on'


@pytest.mark.parametrize('min_pixels', [1, 3, 5])
def test_classes_with_too_few_pixels_are_left_out(min_pixels):
    labels, hard = random_case(size=(4, 5))
    check_contract(labels, hard, 6, min_pixels=min_pixels)
    _index, filled = sample_anchors(labels, C, 6, hard, min_pixels=min_pixels)
    counts = torch.stack([(labels == c).sum((1, 2)) for c in range(C)], 1)
    assert torch.equal(filled.any(2), counts >= min_pixels)


def test_without_hard_pixels_sampling_is_uniform_over_the_class():
    labels, _ = random_case()
    index, filled = sample_anchors(labels, C, 5)
    counts = torch.stack([(labels == c).sum((1, 2)) for c in range(C)], 1)
    assert torch.equal(filled.sum(2), counts.clamp(max=5))
    picked = labels.flatten(1).gather(1, index.flatten(1)).view_as(index)
    wanted = torch.arange(C).view(1, C, 1).expand_as(index)
    assert torch.equal(picked[filled], wanted[filled])


def test_all_ignored_and_foreign_labels_are_never_drawn():
    labels = torch.full((2, 4, 4), 255)
    index, filled = sample_anchors(labels, C, 3, torch.ones_like(labels, dtype=torch.bool))
    assert not filled.any()
    assert torch.equal(index, torch.zeros_like(index))
    labels[0, 0] = -1
    labels[1, 1] = C
    assert not sample_anchors(labels, C, 3)[1].any()


@pytest.mark.parametrize('with_hard', [False, True])
def test_every_pixel_is_drawn_equally_often(with_hard):
    # One class of 24 pixels, 8 of them hard; 6 draws: 3 of the 8 hard and 3 of the 16 easy ones.
    labels = torch.full((1, 6, 6), 255)
    labels[0, :4] = 0
    hard = torch.zeros(1, 6, 6, dtype=torch.bool)
    hard[0, 0] = True
    hard[0, 1, :2] = True
    rounds = 1500
    batch = labels.expand(rounds, -1, -1)
    index, filled = sample_anchors(batch, 1, 6, hard.expand_as(batch) if with_hard else None)
    assert filled.all()
    observed = torch.bincount(index.flatten(), minlength=36).double()
    expected = torch.full((24,), 6 / 24).double()
    if with_hard:
        expected = torch.where(hard.flatten()[:24], 3 / 8, 3 / 16).double()
    assert (observed[24:] == 0).all()
    chi2 = ((observed[:24] - rounds * expected) ** 2 / (rounds * expected)).sum()
    # 23 degrees of freedom, at most; drawing without replacement lowers the variance further.
    assert float(chi2) < 23 + 4 * math.sqrt(2 * 23)
    assert float(chi2) > 3, 'suspiciously even: the draws of different images must be independent'
    if not with_hard:
        # Pairs of pixels too: the order is no fixed permutation.
        together = (index == 0).any(2) & (index == 1).any(2)
        theory = 6 * 5 / (24 * 23)
        assert float(together.double().mean()) == pytest.approx(
            theory, abs=4 * math.sqrt(theory / rounds)
        )


def test_two_calls_draw_differently_and_one_seed_equally():
    labels, hard = random_case(size=(20, 20))
    first, second = (sample_anchors(labels, C, 5, hard)[0] for _ in range(2))
    assert not torch.equal(first, second)
    torch.manual_seed(9)
    third = sample_anchors(labels, C, 5, hard)[0]
    torch.manual_seed(9)
    assert torch.equal(third, sample_anchors(labels, C, 5, hard)[0])


def test_gather_pixels_reads_and_writes_at_the_positions():
    features = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    index = torch.randint(0, 20, (2, C, 6))
    result = gather_pixels(features, index)
    assert result.shape == (2, C, 6, 3)
    for b in range(2):
        for c in range(C):
            for k in range(6):
                y, x = divmod(int(index[b, c, k]), 5)
                assert torch.equal(result[b, c, k], features[b, :, y, x])
    assert torch.autograd.gradcheck(lambda f: gather_pixels(f, index), features)


def test_limits_of_the_classes_hold_for_hard_and_easy():
    labels = torch.arange(3).repeat(2, 20, 10)
    hard = torch.rand(labels.shape) < 0.5
    limits = torch.tensor([8, 3, 0])
    index, filled = sample_anchors(labels, 3, 8, hard, 0.5, limits=limits)
    assert index.shape == filled.shape == (2, 3, 8)
    assert filled.sum(2).tolist() == [limits.tolist()] * 2
    for image in range(2):
        flags = hard[image].flatten()[index[image]]
        assert int(flags[0].sum()) == 4
        assert int((flags[1] & filled[image, 1]).sum()) == 2, 'half of 3, rounded to even'
        for c in range(2):
            drawn = index[image, c][filled[image, c]]
            assert (labels[image].flatten()[drawn] == c).all()
            assert len(set(drawn.tolist())) == len(drawn)


def test_thin_out_draws_filled_places_evenly():
    filled = torch.rand(4, 3, 12) < 0.5
    filled[0, 0] = False
    index, mask = thin_out(filled, 5)
    assert index.shape == mask.shape == (4, 3, 5)
    assert torch.equal(mask.sum(2), filled.sum(2).clamp(max=5))
    assert filled.gather(2, index)[mask].all()
    for row, kept in zip(index.flatten(0, 1), mask.flatten(0, 1)):
        assert len(set(row[kept].tolist())) == int(kept.sum())
    assert thin_out(filled, 50)[0].shape == (4, 3, 12)
    counts = torch.zeros(10)
    for _ in range(600):
        counts[thin_out(torch.ones(10, dtype=torch.bool), 3)[0]] += 1
    assert float((counts / 600 - 0.3).abs().max()) < 0.08


@pytest.mark.parametrize('share', [0, 0.1, 0.5, 0.83, 1])
@pytest.mark.parametrize('with_bank', [False, True])
def test_closest_anchors_equals_a_loop(share, with_bank):
    keys, bank = (F.normalize(torch.randn(C, n, 5), dim=2) for n in (9, 6))
    mask, bank_mask = torch.rand(C, 9) < 0.6, torch.rand(C, 6) < 0.5
    mask[1] = bank_mask[2] = False
    score = {}
    for c, i in mask.nonzero().tolist():
        positives = [keys[c, j] for j in range(9) if mask[c, j] and j != i]
        positives += [row for row, kept in zip(bank[c], bank_mask[c]) if kept and with_bank]
        score[c, i] = sum(float(keys[c, i] @ p) - 1 for p in positives)
    dropped = math.ceil(round((1 - share) * len(score), 9))
    expected = sorted(score, key=score.get)[dropped:]
    rows = (bank, bank_mask) if with_bank else ()
    kept = closest_anchors(keys, mask, share, *rows)
    assert sorted(map(tuple, kept.nonzero().tolist())) == sorted(expected)


def test_closest_anchors_of_none_is_none():
    mask = torch.zeros(C, 3, dtype=torch.bool)
    assert not closest_anchors(torch.zeros(C, 3, 5), mask, 0.5).any()
