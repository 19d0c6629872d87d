import math

import pytest
import torch

from mmseg_contrast.structures.running_stats import Ratio, RunningStats, name_by_class


def test_means_of_scalars_vectors_and_floats():
    stats = RunningStats()
    for step in range(4):
        stats.add(
            {
                'scalar': torch.tensor(float(step)),
                'count': torch.tensor(step),
                'vector': torch.tensor([step, 2.0 * step]),
                'ramp': 0.5 * step,
            }
        )
    stats.add({'scalar': torch.tensor(9.0), 'late': 7})
    means = stats.pop()
    assert means == {'scalar': 3.0, 'count': 1.5, 'vector': [1.5, 3.0], 'ramp': 0.75, 'late': 7}
    assert all(isinstance(means[name], float) for name in ('scalar', 'count', 'ramp'))


def test_pop_starts_anew():
    stats = RunningStats()
    assert stats.pop() == {}
    stats.add({'a': torch.tensor(1.0)})
    assert stats.pop() == {'a': 1.0}
    assert stats.pop() == {}
    stats.add({'a': torch.tensor(3.0)})
    assert stats.pop() == {'a': 3.0}


def test_one_vector_of_one_entry_stays_a_list():
    stats = RunningStats()
    stats.add({'a': torch.tensor([2.0]), 'b': torch.tensor(5.0)})
    assert stats.pop() == {'a': [2.0], 'b': 5.0}


def test_no_graph_is_kept():
    stats = RunningStats()
    value = torch.ones((), requires_grad=True)
    stats.add({'a': value * 2})
    assert not stats._sums['a'][0].requires_grad
    assert stats.pop()['a'] == pytest.approx(2.0)


def test_ratios_are_what_was_counted_over_what_there_was():
    stats = RunningStats()
    # The second class is seen in one step of three, the third in none.
    for kept, seen in (((8, 3, 0), (10, 4, 0)), ((0, 0, 0), (30, 0, 0)), ((4, 0, 0), (8, 0, 0))):
        kept, seen = torch.tensor(kept), torch.tensor(seen)
        stats.add({'coverage': Ratio(kept.sum(), seen.sum()), 'by_class': Ratio(kept, seen)})
    means = stats.pop()
    assert means['coverage'] == pytest.approx(15 / 52)
    assert means['by_class'][:2] == pytest.approx([12 / 48, 3 / 4])
    assert math.isnan(means['by_class'][2])


def test_what_was_never_defined_is_left_out():
    stats = RunningStats()
    stats.add({'none': Ratio(torch.tensor(0), torch.tensor(0)), 'raw': torch.tensor(2.0)})
    stats.add({'none': Ratio(torch.tensor(0.0), torch.tensor(False)), 'raw': torch.tensor(4.0)})
    assert stats.pop() == {'raw': 3.0}
    stats.add({'none': Ratio(torch.tensor(5.0), torch.tensor(True))})
    assert stats.pop() == {'none': 5.0}


def test_counts_are_summed_exactly():
    stats = RunningStats()
    for part in (2**24, 1, 1):
        stats.add({'a': Ratio(torch.tensor(part), torch.tensor(1))})
    assert stats._sums['a'][0] == 2**24 + 2, 'float32 knows no 2^24 + 1'


def test_value_of_a_ratio():
    ratio = Ratio(torch.tensor([3, 0]), torch.tensor([4, 0]))
    assert ratio.value().tolist() == [0.75, 0]
    assert float(Ratio(torch.tensor(1), torch.tensor(8))) == 0.125


def test_a_class_name_with_a_slash_is_one_name():
    named = name_by_class('unsup.share', ['road', 'road/kerb', 'sky'], [0.5, 0.2, float('nan')])
    assert named == {'unsup.share/road': 0.5, 'unsup.share/road-kerb': 0.2}
