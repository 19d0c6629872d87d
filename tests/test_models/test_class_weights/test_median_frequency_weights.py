import math
import statistics

import pytest
import torch
from helpers import set_iter

from mmseg_contrast.models.class_weights import MedianFrequencyWeights, median_frequency_weights
from mmseg_contrast.structures import PixelTargets


def literal(frequency):
    seen = [f for f in frequency if f > 0]
    if not seen:
        return [1.0] * len(frequency)
    weights = [math.sqrt(statistics.median(seen) / f) if f > 0 else None for f in frequency]
    largest = max(w for w in weights if w is not None)
    return [largest if w is None else w for w in weights]


@pytest.mark.parametrize(
    'frequency',
    [
        [4, 1, 9],
        [4, 1, 9, 16],
        [0, 1, 9, 16],
        [0, 0, 3],
        [0, 0, 0],
        [5],
        [0.25, 0.25],
        [1e9, 1, 0, 3],
    ],
)
def test_equals_a_loop(frequency):
    weights = median_frequency_weights(torch.tensor(frequency, dtype=torch.float64))
    assert weights.tolist() == pytest.approx(literal(frequency))


def targets(labels):
    return PixelTargets.from_labels(torch.tensor([labels]))


NOTHING = targets([[0]])[:0]


def images_with(shares, number=1, side=100):
    """Images whose pixels have these shares of the classes; what is missing to 1 is ignored."""
    pixels = side * side
    numbers = [round(share * pixels) for share in shares]
    labels = [c for c, n in enumerate(numbers) for _ in range(n)]
    labels += [255] * (pixels - len(labels))
    return PixelTargets.from_labels(torch.tensor(labels).view(1, side, side).repeat(number, 1, 1))


LABELS = (0.60, 0.25, 0.13, 0.0199, 0.0001)
PSEUDO = (0.60, 0.25, 0.10, 0.04, 0.01)


@pytest.mark.parametrize('batch', [(5, 2), (1, 7)])
@pytest.mark.parametrize('steps', [1, 4])
def test_weights_are_those_of_the_union_of_the_sets_whatever_the_batch(batch, steps):
    # 1/30 of Cityscapes: a batch of 5 + 2 out of 100 + 2,875
    module = MedianFrequencyWeights(5, momentum=0.1, sizes=(100, 2875))
    for _ in range(steps):
        weights = module(images_with(LABELS, batch[0]), images_with(PSEUDO, batch[1]))
    union = [(100 * a + 2875 * b) / 2975 for a, b in zip(LABELS, PSEUDO)]
    assert weights.tolist() == pytest.approx(literal(union), rel=1e-4)
    assert weights[4] == pytest.approx(3.23, abs=0.005)


def test_plain_counts_leave_ignored_pixels_out_of_a_sets_share():
    # A quarter of the labelled pixels, all of the pseudo-labels, 30 + 10 images.
    labeled, pseudo = images_with((0.2, 0.05, 0)), images_with((0.5, 0.3, 0.2), 2)
    frequency = {}
    for unit in ('image', 'pixel'):
        module = MedianFrequencyWeights(3, unit=unit, sizes=(30, 10))
        module(labeled, pseudo)
        frequency[unit] = (module.frequency / module.frequency.sum()).tolist()
    by_image = [(30 * a + 10 * b) / 40 for a, b in zip((0.8, 0.2, 0), (0.5, 0.3, 0.2))]
    by_pixel = [(30 * a + 10 * b) / 17.5 for a, b in zip((0.2, 0.05, 0), (0.5, 0.3, 0.2))]
    assert frequency['image'] == pytest.approx(by_image)
    assert frequency['pixel'] == pytest.approx(by_pixel)


def test_each_set_has_a_running_average_of_its_own():
    module = MedianFrequencyWeights(3, momentum=0.25, start=2, sizes=(1, 3))
    set_iter(0)
    assert module(targets([[0, 0, 1, 255]]), targets([[1, 1, 1, 1]])) is None
    assert module.frequency.tolist() == pytest.approx([2 / 3, 1 / 3 + 3, 0])
    set_iter(2)
    weights = module(NOTHING, targets([[2, 2, 2, 255]]))
    # The older of two pseudo-labelled images weighs 0.75 and has 4 pixels, the newer one 3.
    ones, twos = 0.75 * 4 / (0.75 * 4 + 3), 3 / (0.75 * 4 + 3)
    frequency = [2 / 3, 1 / 3 + 3 * ones, 3 * twos]
    assert module.frequency.tolist() == pytest.approx(frequency)
    assert weights.tolist() == pytest.approx(literal(frequency))
    assert module(NOTHING, NOTHING).tolist() == pytest.approx(weights.tolist()), (
        'no label, no change'
    )
    ignored = targets([[255, 255, 255, 255]])
    assert module(ignored, NOTHING).tolist() == pytest.approx(weights.tolist())


def test_a_set_that_has_not_come_yet_counts_nothing():
    module = MedianFrequencyWeights(3, sizes=(10, 90))
    weights = module(targets([[0, 0, 0, 1]]), NOTHING)
    assert weights.tolist() == pytest.approx(literal([0.75, 0.25, 0]))


def test_state_is_saved():
    module = MedianFrequencyWeights(3, sizes=(1, 2))
    module(targets([[0, 1, 1]]), targets([[2, 1, 1]]))
    other = MedianFrequencyWeights(3, sizes=(1, 2))
    other.load_state_dict(module.state_dict())
    assert torch.equal(other.frequency, module.frequency) and module.frequency.all()


def test_unknown_sizes_are_said():
    with pytest.raises(ValueError, match=r"SetSizesHook'\) to custom_hooks, or set model.class_w"):
        MedianFrequencyWeights(3)(targets([[0]]), NOTHING)


@pytest.mark.parametrize(
    ('options', 'match'),
    [
        ({'momentum': 0}, 'momentum=0'),
        ({'momentum': 1.5}, 'momentum=1.5'),
        ({'unit': 'batch'}, "unit='batch'"),
        ({'sizes': (0, 0)}, r'sizes=\(0, 0\)'),
        ({'sizes': (-1, 5)}, r'sizes=\(-1, 5\)'),
    ],
)
def test_arguments_are_checked(options, match):
    with pytest.raises(ValueError, match=match):
        MedianFrequencyWeights(3, **options)
