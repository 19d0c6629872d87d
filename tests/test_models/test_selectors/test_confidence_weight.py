import pytest
import torch
from helpers import select

from mmseg_contrast.models.selectors import ConfidenceWeight


def test_is_a_power_of_the_confidence():
    probs = torch.tensor([0.5, 0.2, 0.9, 1.0]).view(1, 1, 2, 2)
    probs = torch.cat([probs, 1 - probs], 1)
    valid = torch.tensor([[[True, True], [True, False]]])
    weight, stats = select(ConfidenceWeight(6), probs, valid)
    expected = [0.5**6, 0.8**6, 0.9**6, 0]
    assert weight.flatten().tolist() == pytest.approx(expected)
    assert float(stats['confidence_weight']) == pytest.approx(sum(expected) / 3)
    assert select(ConfidenceWeight(0), probs, valid)[0].flatten().tolist() == [1, 1, 1, 0]


def test_power_is_checked():
    with pytest.raises(ValueError, match='power=-1'):
        ConfidenceWeight(-1)
