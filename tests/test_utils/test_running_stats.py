import pytest
import torch

from mmseg_contrast.utils.running_stats import RunningStats


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
    assert not stats._sums['a'].requires_grad
    assert stats.pop()['a'] == pytest.approx(2.0)
