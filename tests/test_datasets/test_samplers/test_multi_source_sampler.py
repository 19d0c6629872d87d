from collections import Counter
from itertools import islice

import pytest
from mmengine.dataset import BaseDataset, ConcatDataset
from torch.utils.data import DataLoader

from mmseg_contrast.datasets import MultiSourceSampler
from mmseg_contrast.datasets.samplers import multi_source_sampler as module


class Numbers(BaseDataset):
    """Samples 0, 1, 2, ... with a name."""

    def __init__(self, name, size):
        self.name, self.size = name, size
        super().__init__(serialize_data=False)

    def load_data_list(self):
        return [dict(sample=(self.name, i)) for i in range(self.size)]

    def prepare_data(self, idx):
        return self.get_data_info(idx)['sample']


def concat(*sizes):
    return ConcatDataset([Numbers('abc'[i], size) for i, size in enumerate(sizes)])


def take(sampler, count):
    return list(islice(iter(sampler), count))


def batches(dataset, batch_size, ratio, steps, rank=0, world_size=1, monkeypatch=None, **kwargs):
    if monkeypatch is not None:
        monkeypatch.setattr(module, 'get_dist_info', lambda: (rank, world_size))
    sampler = MultiSourceSampler(dataset, batch_size, ratio, **{'seed': 3, **kwargs})
    indices = take(sampler, batch_size * steps)
    return [indices[i : i + batch_size] for i in range(0, len(indices), batch_size)]


def test_order_of_sources_in_each_batch():
    dataset = concat(5, 11, 7)
    for batch in batches(dataset, 8, [1, 2, 1], 50):
        assert ''.join(dataset[i][0] for i in batch) == 'aabbbbcc'


def test_each_pass_is_a_permutation_and_passes_differ():
    dataset = concat(6, 10)
    drawn = {'a': [], 'b': []}
    for batch in batches(dataset, 5, [2, 3], 120):
        for i in batch:
            name, number = dataset[i]
            drawn[name].append(number)
    for name, size in (('a', 6), ('b', 10)):
        passes = [drawn[name][i : i + size] for i in range(0, len(drawn[name]), size)]
        passes = [tuple(p) for p in passes if len(p) == size]
        assert len(passes) >= 36
        assert all(sorted(p) == list(range(size)) for p in passes)
        assert len(set(passes)) >= len(passes) - 1


def test_sources_of_equal_size_are_shuffled_independently():
    indices = take(MultiSourceSampler(concat(50, 50), 2, [1, 1], seed=1), 100)
    assert [i for i in indices if i < 50] != [i - 50 for i in indices if i >= 50]


def test_source_smaller_than_its_share_goes_round_again():
    for batch in batches(concat(3, 20), 10, [1, 1], 20):
        shares = Counter(i for i in batch if i < 3)
        # five draws from three samples: permutations one after the other
        assert sum(shares.values()) == 5 and max(shares.values()) <= 3


def test_no_shuffle():
    sampler = MultiSourceSampler(concat(3, 4), 3, [1, 2], shuffle=False, seed=0)
    assert take(sampler, 12) == [0, 3, 4, 1, 5, 6, 2, 3, 4, 0, 5, 6]


def test_seed_decides():
    dataset = concat(20, 30)
    first = batches(dataset, 4, [1, 1], 10, seed=3)
    assert batches(dataset, 4, [1, 1], 10, seed=3) == first
    assert batches(dataset, 4, [1, 1], 10, seed=4) != first
    assert MultiSourceSampler(dataset, 4, [1, 1]).seed is not None


@pytest.mark.parametrize(
    'ratio, sizes', [([1, 1], (12, 31)), ([1, 3], (3, 7)), ([1, 1, 2], (5, 9, 4))]
)
def test_two_processes_draw_what_one_draws_with_twice_the_batch(monkeypatch, ratio, sizes):
    dataset = concat(*sizes)
    one = batches(dataset, 16, ratio, 40, 0, 1, monkeypatch)
    two = [batches(dataset, 8, ratio, 40, rank, 2, monkeypatch) for rank in (0, 1)]
    for step in range(40):
        assert Counter(one[step]) == Counter(two[0][step] + two[1][step])
        order = [dataset[i][0] for i in two[1][step]]
        assert order == sorted(order)
    assert two[0] != two[1]


def test_processes_have_disjoint_parts_of_a_pass(monkeypatch):
    dataset = concat(24, 24)
    parts = [batches(dataset, 4, [1, 1], 3, rank, 4, monkeypatch) for rank in range(4)]
    indices = [i for part in parts for batch in part for i in batch]
    assert sorted(indices) == list(range(48))


@pytest.mark.parametrize('skipped', [0, 1, 5, 8, 16, 801, 8_000_003])
def test_skip_is_absolute_and_exact(monkeypatch, skipped):
    monkeypatch.setattr(module, 'get_dist_info', lambda: (1, 3))
    sampler = MultiSourceSampler(concat(5, 13), 8, [1, 3], seed=7)
    if skipped < 1000:
        expected = take(sampler, skipped + 50)[skipped:]
    else:  # a far position is reached at once; compare with another way there
        sampler.skip(skipped - 3)
        expected = take(sampler, 53)[3:]
    sampler.skip(10**6)
    sampler.skip(skipped)
    assert take(sampler, 50) == expected
    with pytest.raises(ValueError, match='num_samples=-1'):
        sampler.skip(-1)


@pytest.mark.parametrize('num_workers', [0, 1])
def test_resume_through_mmengine_continues_the_order(num_workers):
    loops = pytest.importorskip('mmengine.runner.loops')
    iterator = loops._InfiniteDataloaderIterator
    if not hasattr(iterator, 'skip_iter'):
        pytest.skip('this MMEngine resumes by replaying the dataloader')

    def loader():
        dataset = concat(7, 12)
        return DataLoader(
            dataset,
            batch_size=4,
            sampler=MultiSourceSampler(dataset, 4, [1, 1], seed=5),
            num_workers=num_workers,
            collate_fn=list,
        )

    uninterrupted = list(islice(iterator(loader()), 20))
    resumed = iterator(loader())
    resumed.skip_iter(13)
    assert list(islice(resumed, 7)) == uninterrupted[13:]


def test_passes_len_and_set_epoch():
    sampler = MultiSourceSampler(concat(8, 40), 8, [1, 3], seed=0)
    assert sampler.counts == [2, 6]
    assert sampler.passes(20) == [20 * 2 / 8, 20 * 6 / 40]
    assert len(sampler) == 48
    before = take(sampler, 16)
    sampler.set_epoch(3)
    assert take(sampler, 16) == before


@pytest.mark.parametrize(
    'batch_size, ratio, counts',
    [(8, [1, 1], [4, 4]), (8, [0.5, 0.5], [4, 4]), (10, [0.2, 0.8], [2, 8]), (6, [1, 2], [2, 4])],
)
def test_counts(batch_size, ratio, counts):
    assert MultiSourceSampler(concat(4, 4), batch_size, ratio, seed=0).counts == counts


def test_single_source():
    dataset = ConcatDataset([Numbers('b', 9)])
    assert sorted(take(MultiSourceSampler(dataset, 3, [1], seed=0), 9)) == list(range(9))


@pytest.mark.parametrize(
    'batch_size, ratio, text',
    [
        (4, [4, 1], r'\[4, 1\] divides batch_size=4 into \[3.2, 0.8\].*multiple of 5.*e.g. 5,'),
        (5, [1, 1], r'batch_size=5 into \[2.5, 2.5\].*multiple of 2.*e.g. 6,'),
        (1, [1, 1], r'multiple of 2.*e.g. 2,'),
        (8, [1, 0], r'\[1, 0\].*ratios that give a source nothing'),
        (8, [1, -1], r'ratios that give a source nothing'),
        (8, [1, 1, 2], r'3 numbers for 2 data sets'),
        (8, [1], r'1 numbers for 2 data sets'),
    ],
)
def test_bad_ratios(batch_size, ratio, text):
    with pytest.raises(ValueError, match=text):
        MultiSourceSampler(concat(4, 4), batch_size, ratio, seed=0)


def test_bad_data_sets():
    with pytest.raises(TypeError, match=r'ConcatDataset and got a Numbers'):
        MultiSourceSampler(Numbers('a', 4), 4, [1], seed=0)
    with pytest.raises(ValueError, match=r'Source 1 \(Numbers\) has no samples'):
        MultiSourceSampler(concat(4, 0), 4, [1, 1], seed=0)
