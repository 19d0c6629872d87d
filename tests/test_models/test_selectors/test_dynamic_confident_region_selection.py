import math

import pytest
import torch
from helpers import exact_selection, select, sure_logits
from mmseg.registry import MODELS

from mmseg_contrast.models.selectors import DynamicConfidentRegionSelection

C = 5


def dcrs(classes=C, **kwargs):
    return DynamicConfidentRegionSelection(classes, **kwargs)


def random_probs(batch=3, classes=C, size=(23, 31), sharpness=2.0):
    probs = (sharpness * torch.randn(batch, classes, *size)).softmax(1)
    return probs, torch.rand(batch, *size) < 0.8


def exact_thresholds(probs, valid, keep_ratio):
    """The confidence of rank floor(n s) by sorting, None for classes that are not predicted."""
    confidence, labels = probs.max(1)
    result = []
    for c in range(probs.shape[1]):
        ranked = confidence[(labels == c) & valid].sort(descending=True).values.tolist()
        rank = min(math.floor(len(ranked) * keep_ratio), len(ranked) - 1)
        result.append(ranked[rank] if ranked else None)
    return result


@pytest.mark.parametrize('keep_ratio', [0.05, 0.4, 0.6, 0.8, 0.9, 0.999])
@pytest.mark.parametrize('sharpness', [0.3, 2.0, 9.0])
def test_thresholds_equal_the_exact_sort(keep_ratio, sharpness):
    probs, valid = random_probs(sharpness=sharpness)
    selector = dcrs(keep_ratio=keep_ratio, momentum=1.0)
    select(selector, probs, valid)
    expected = torch.tensor(exact_thresholds(probs, valid, keep_ratio))
    error = expected - selector.thresholds
    assert float(error.abs().max()) < 1e-4
    assert float(error.min()) > -1e-6, 'the pixel of that rank itself must pass'


@pytest.mark.parametrize('keep_ratio', [0.4, 0.6, 0.8])
def test_keeps_the_stated_share_of_each_class(keep_ratio):
    probs, valid = random_probs(size=(64, 64))
    weight, _ = select(dcrs(keep_ratio=keep_ratio, momentum=1.0), probs, valid)
    labels = probs.argmax(1)
    for c in range(C):
        assert float(weight[(labels == c) & valid].mean()) == pytest.approx(keep_ratio, abs=0.01)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('keep_ratio', [0.4, 0.6, 0.8])
@pytest.mark.parametrize('margin', [2, 4, 6, 8, 10, 12, 14, 20, 30])
def test_keeps_the_stated_share_of_sure_classes(margin, keep_ratio, dtype):
    logits = sure_logits(margin, dtype)
    valid = torch.rand(len(logits), *logits.shape[2:]) < 0.8
    selector = dcrs(keep_ratio=keep_ratio, momentum=1.0)
    weight, _ = select(selector, logits.float().softmax(1), valid)
    exact = exact_selection(logits, valid, keep_ratio)
    assert float((weight.bool() ^ exact)[valid].float().mean()) < 1e-3, 'the very same pixels'
    # Equal margins stay together. Between 16 and 32 those of bfloat16 are 1/8 apart: 1.7 % of N(m, 3).
    tolerance = 0.01 if dtype == torch.float32 or margin < 16 else 0.03
    labels = logits.argmax(1)
    for c in range(1, 4):
        kept = float(weight[(labels == c) & valid].mean())
        assert kept == pytest.approx(keep_ratio, abs=tolerance)
    # Another step with the same images: the smoothed thresholds keep the same pixels.
    selector.momentum = 0.1
    for _ in range(5):
        again, _ = select(selector, logits.float().softmax(1), valid)
    assert float((again != weight)[valid].float().mean()) < 1e-3


def test_the_share_holds_in_the_average_of_unequal_batches():
    # Eq. 6 in float64, with thresholds that all round to 1 in float32.
    selector = dcrs(2, keep_ratio=0.6, momentum=0.5, initial=1.0)
    expected = torch.zeros(2, dtype=torch.float64)
    for margin in (22.0, 25.0, 21.0):
        logits = margin + torch.randn(1, 2, 40, 40, dtype=torch.float64)
        logits[:, 1] -= 2 * margin
        doubt = logits[:, 1].sub(logits[:, 0]).sigmoid().flatten().sort().values
        expected[0] = 0.5 * expected[0] + 0.5 * doubt[math.floor(1600 * 0.6)]
        select(selector, logits.float().softmax(1), torch.ones(1, 40, 40, dtype=torch.bool))
    assert selector.thresholds[0] == 1
    torch.testing.assert_close(selector.doubts.double(), expected, rtol=1e-4, atol=0)


def test_thresholds_follow_equation_6():
    selector = dcrs(keep_ratio=0.8, momentum=0.1, initial=0.9)
    expected = torch.full((C,), 0.9)
    for _ in range(4):
        probs, valid = random_probs()
        weight, stats = select(selector, probs, valid)
        current = torch.tensor(exact_thresholds(probs, valid, 0.8))
        expected = 0.9 * expected + 0.1 * current
        assert float((selector.thresholds - expected).abs().max()) < 1e-3
        assert torch.equal(stats['threshold_per_class'], selector.thresholds)
        # Update first, then mask: this step's thresholds decide.
        confidence, labels = probs.max(1)
        passed = (confidence >= selector.thresholds[labels]) & valid
        assert torch.equal(weight, passed.float())


def test_update_comes_before_the_mask():
    # Everything lies below the initial threshold: masking first would keep nothing.
    probs, valid = random_probs(sharpness=0.3)
    assert float(probs.amax(1).max()) < 0.9
    weight, _ = select(dcrs(keep_ratio=0.5, momentum=1.0, initial=0.9), probs, valid)
    assert float(weight[valid].mean()) == pytest.approx(0.5, abs=0.01)


def test_absent_class_keeps_its_threshold():
    probs, valid = random_probs()
    probs[:, 2] = 0
    selector = dcrs(momentum=0.5, initial=0.7)
    select(selector, probs, valid)
    assert float(selector.thresholds[2]) == pytest.approx(0.7)
    assert (selector.thresholds[[0, 1, 3, 4]] != 0.7).all()


def test_invalid_pixels_neither_count_nor_pass():
    probs, valid = random_probs()
    reference = dcrs(momentum=1.0)
    expected, _ = select(reference, probs, valid)
    certain = torch.zeros_like(probs)
    certain[:, 1] = 1
    changed = torch.where(valid.unsqueeze(1), probs, certain)
    selector = dcrs(momentum=1.0)
    weight, _ = select(selector, changed, valid)
    assert torch.equal(selector.thresholds, reference.thresholds)
    assert torch.equal(weight, expected)
    assert (weight[~valid] == 0).all()
    nothing, _ = select(selector, probs, torch.zeros_like(valid))
    assert float(nothing.sum()) == 0
    assert torch.equal(selector.thresholds, reference.thresholds)


def test_keep_ratio_one_keeps_all_valid_pixels():
    selector = dcrs(keep_ratio=1, initial=0.9)
    for _ in range(3):
        probs, valid = random_probs(sharpness=0.1)
        weight, _ = select(selector, probs, valid)
        assert torch.equal(weight, valid.float())


def test_floor_and_ceiling_bound_each_class():
    probs, valid = random_probs()
    free = torch.tensor(exact_thresholds(probs, valid, 0.8))
    floor, ceiling = [0.0, 0.95, 0.0, 0.0, 0.0], [1.0, 1.0, 0.1, 1.0, 1.0]
    selector = dcrs(momentum=1.0, floor=floor, ceiling=ceiling)
    select(selector, probs, valid)
    assert float(selector.thresholds[1]) == pytest.approx(0.95)
    assert float(selector.thresholds[2]) == pytest.approx(0.1)
    assert float((selector.thresholds - free)[[0, 3, 4]].abs().max()) < 1e-3
    everywhere = dcrs(momentum=1.0, floor=0.99)
    select(everywhere, probs, valid)
    assert everywhere.thresholds.tolist() == pytest.approx([0.99] * C)


def test_certain_predictions_pass():
    probs = torch.zeros(1, C, 4, 4)
    probs[:, 3] = 1
    selector = dcrs(momentum=1.0)
    weight, _ = select(selector, probs, torch.ones(1, 4, 4, dtype=torch.bool))
    assert float(weight.mean()) == 1
    assert 1 - 1e-3 < float(selector.thresholds[3]) <= 1


def test_two_classes_and_one_pixel():
    probs = torch.tensor([0.7, 0.3]).view(1, 2, 1, 1)
    selector = dcrs(2, momentum=1.0)
    weight, _ = select(selector, probs, torch.ones(1, 1, 1, dtype=torch.bool))
    assert weight.tolist() == [[[1.0]]]
    assert selector.thresholds.tolist() == pytest.approx([0.7, 0.9], abs=1e-3)


def test_thresholds_travel_with_checkpoints():
    probs, valid = random_probs()
    selector = dcrs()
    select(selector, probs, valid)
    assert list(selector.state_dict()) == ['doubts']
    other = dcrs()
    other.load_state_dict(selector.state_dict())
    assert torch.equal(select(other, probs, valid)[0], select(selector, probs, valid)[0])


def test_reads_bfloat16_probabilities():
    probs, valid = random_probs()
    weight, _ = select(dcrs(momentum=1.0), probs.bfloat16(), valid)
    assert weight.dtype == torch.float32
    assert 0.7 < float(weight[valid].mean()) < 0.95


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'keep_ratio': 0}, 'keep_ratio=0'),
        ({'keep_ratio': 1.2}, 'keep_ratio=1.2'),
        ({'momentum': 0.0}, 'momentum=0.0'),
        ({'momentum': -0.1}, 'momentum=-0.1'),
    ],
)
def test_numbers_out_of_range_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build({'type': 'DynamicConfidentRegionSelection', 'num_classes': 2, **kwargs})
