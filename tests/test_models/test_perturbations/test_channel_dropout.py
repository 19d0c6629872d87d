import pytest
import torch
from mmseg.registry import MODELS

from mmseg_contrast.models.perturbations import ChannelDropout


def test_drops_whole_channels_of_the_chosen_stages():
    stages = [torch.ones(8, 50, 3, 4), torch.ones(8, 40, 2, 2), torch.ones(8, 60, 5, 5)]
    dropout = MODELS.build({'type': 'ChannelDropout', 'prob': 0.5, 'stages': (0, -1)})
    ((first, second, last),) = dropout([stages])
    assert second is stages[1]
    for x in (first, last):
        channels = x.flatten(2)
        assert (channels == channels[:, :, :1]).all()
        assert set(channels.unique().tolist()) == {0.0, 2.0}
        assert float((channels[:, :, 0] == 0).float().mean()) == pytest.approx(0.5, abs=0.1)
    one, other = ChannelDropout(0.5)([stages, stages])
    assert all((x != stage).any() for x, stage in zip(one, stages))
    assert not torch.equal(one[0], other[0]), 'each view has a draw of its own'


def test_the_probability_is_checked():
    with pytest.raises(ValueError, match=r'prob=1\.0'):
        ChannelDropout(1.0)
