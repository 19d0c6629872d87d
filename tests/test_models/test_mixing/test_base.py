import torch

from mmseg_contrast.models.mixing import Mixed
from mmseg_contrast.structures import PixelTargets


def test_by_default_outputs_stay_where_they_are():
    targets = PixelTargets.from_labels(torch.zeros(1, 2, 2, dtype=torch.long))
    mixed = Mixed(torch.zeros(2, 3, 2, 2), targets, targets)
    output = torch.randn(2, 4, 1, 1)
    assert mixed.align(output) is output
    assert not mixed.moved
