import copy
import pickle
import random

import numpy as np
from mmengine.dataset import BaseDataset
from torch.utils.data import DataLoader

from mmseg_contrast.datasets import MultiSourceDataset, MultiSourceSampler
from mmseg_contrast.datasets.multi_source_dataset import StreamIndex


class Noise(BaseDataset):
    """Samples that show their index and what the generators gave."""

    METAINFO = {'classes': ('a',)}

    def __init__(self, size):
        self.size = size
        super().__init__(serialize_data=False)

    def load_data_list(self):
        return [{} for _ in range(self.size)]

    def __getitem__(self, idx):
        return idx, np.random.rand(), random.random()


def batches(num_batches, skip=0, num_workers=0, seed=5):
    dataset = MultiSourceDataset([Noise(3), Noise(7)])
    sampler = MultiSourceSampler(dataset, batch_size=4, source_ratio=[1, 1], seed=seed)
    sampler.skip(4 * skip)
    loader = iter(DataLoader(dataset, 4, sampler=sampler, num_workers=num_workers, collate_fn=list))
    return [next(loader) for _ in range(num_batches)]


def test_augmentation_depends_on_neither_workers_nor_interruption():
    whole = batches(6)
    assert batches(6, num_workers=2) == whole
    np.random.rand(11)
    assert batches(3, skip=3) == whole[3:]


def test_passes_over_a_sample_differ():
    seen = [sample for batch in batches(12) for sample in batch[:2]]
    assert len(seen) == 24 and len({noise for _, noise, _ in seen}) == 24
    assert {index for index, *_ in seen} == {0, 1, 2}
    assert batches(1, seed=6)[0][0][1:] != batches(1)[0][0][1:]


def test_a_plain_index_leaves_the_generators_alone():
    dataset = MultiSourceDataset([Noise(3)])
    np.random.seed(0)
    expected = np.random.rand()
    np.random.seed(0)
    assert dataset[1][1] == expected


def test_stream_index_survives_copies():
    index = StreamIndex(4, (1, 2, 3))
    for twin in (pickle.loads(pickle.dumps(index)), copy.deepcopy(index)):
        assert twin == 4 and twin.draw == (1, 2, 3)
