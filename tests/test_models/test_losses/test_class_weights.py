import math
import statistics

import pytest
import torch
from helpers import set_iter

from mmseg_contrast.models.losses import MedianFrequencyWeights, median_frequency_weights
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


def test_counts_labels_and_pseudo_labels_in_a_running_average():
    module = MedianFrequencyWeights(3, momentum=0.25, start=2)
    set_iter(0)
    assert module(targets([[0, 0, 1, 255]]), targets([[1, 1, 1, 1]])) is None
    frequency = [0.25 * 2, 0.25 * 5, 0]
    assert module.frequency.tolist() == pytest.approx(frequency)
    set_iter(2)
    weights = module(None, targets([[2, 2, 2, 255]]))
    frequency = [0.75 * f + 0.25 * n for f, n in zip(frequency, (0, 0, 3))]
    assert module.frequency.tolist() == pytest.approx(frequency)
    assert weights.tolist() == pytest.approx(literal(frequency))
    assert module(None, None).tolist() == pytest.approx(weights.tolist()), 'no label, no change'


def test_state_is_saved():
    module = MedianFrequencyWeights(3)
    module(targets([[0, 1, 1]]))
    other = MedianFrequencyWeights(3)
    other.load_state_dict(module.state_dict())
    assert torch.equal(other.frequency, module.frequency) and module.frequency.any()


@pytest.mark.parametrize('momentum', [0, 1.5])
def test_momentum_is_checked(momentum):
    with pytest.raises(ValueError, match=f'momentum={momentum}'):
        MedianFrequencyWeights(3, momentum)
