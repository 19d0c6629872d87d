import pytest
import torch
from helpers import select
from mmseg.registry import MODELS

from mmseg_contrast.models.selectors import ThresholdMask


def test_keeps_valid_pixels_from_the_threshold_on():
    confidence = torch.tensor([[0.94, 0.95, 0.99, 1.0]])
    probs = torch.stack([confidence, 1 - confidence])[None]
    valid = torch.tensor([[[True, True, False, True]]])
    selector = MODELS.build({'type': 'ThresholdMask', 'threshold': 0.95})
    weight, stats = select(selector, probs, valid)
    assert weight.tolist() == [[[0, 1, 0, 1]]]
    assert weight.dtype == torch.float32
    assert stats == {}
    assert select(ThresholdMask(0.0), probs, valid)[0].tolist() == [[[1, 1, 0, 1]]]


@pytest.mark.parametrize('threshold', [-0.1, 1.01])
def test_threshold_out_of_range_is_named(threshold):
    with pytest.raises(ValueError, match=f'threshold={threshold}'):
        ThresholdMask(threshold)
