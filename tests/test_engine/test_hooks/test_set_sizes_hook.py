from types import SimpleNamespace

import pytest
from helpers import build, memory_bank_cfg, plain_cfg
from mmengine.dataset import ConcatDataset
from mmseg.datasets import BaseSegDataset

from mmseg_contrast.datasets import MultiBranch
from mmseg_contrast.engine.hooks import SetSizesHook

FIELD = ['sup', 'source', 'weak']


class Source(BaseSegDataset):
    """A number of images, whose pipeline ends in branches."""

    def __init__(self, length, *branches):
        self.length = length
        pipelines = {branch: [] for branch in branches}
        super().__init__(pipeline=[MultiBranch(FIELD, **pipelines)] if branches else [])

    def load_data_list(self):
        return [{} for _ in range(self.length)]


def runner(dataset, **class_weights):
    weights = {'type': 'MedianFrequencyWeights', **class_weights}
    model = build(memory_bank_cfg(class_weights=weights))
    return SimpleNamespace(model=model, train_dataloader=SimpleNamespace(dataset=dataset))


@pytest.mark.parametrize(
    ('parts', 'sizes'),
    [
        pytest.param([Source(4, 'sup'), Source(30, 'weak')], [4, 30], id='two sets'),
        pytest.param(
            [Source(4, 'sup'), Source(9, 'source'), Source(30, 'weak')],
            [4, 30],
            id='another domain is in neither',
        ),
        pytest.param(
            [Source(4, 'sup'), Source(6, 'sup'), Source(30, 'weak'), Source(5, 'weak')],
            [10, 35],
            id='several of a kind',
        ),
        pytest.param(
            [
                {'type': 'RepeatDataset', 'dataset': Source(4, 'sup'), 'times': 5},
                Source(30, 'weak'),
            ],
            [4, 30],
            id='a repeated image is one image',
        ),
        pytest.param([Source(4, 'sup')], [4, 0], id='labels alone'),
    ],
)
def test_counts_the_images_of_each_set(parts, sizes):
    run = runner(ConcatDataset(parts))
    SetSizesHook().before_train(run)
    assert run.model.class_weights.sizes.tolist() == sizes


def test_given_numbers_stay():
    run = runner(ConcatDataset([Source(4, 'sup'), Source(30, 'weak')]), sizes=(100, 2875))
    SetSizesHook().before_train(run)
    assert run.model.class_weights.sizes.tolist() == [100, 2875]


def test_without_branches_or_class_weights_there_is_nothing_to_do():
    run = runner(Source(4))
    SetSizesHook().before_train(run)
    assert run.model.class_weights.needs_sizes
    run.model = build(plain_cfg())
    SetSizesHook().before_train(run)
