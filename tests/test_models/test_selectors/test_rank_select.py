import pytest
import torch
from sync_counter import SyncCounter

from mmseg_contrast.models.selectors.rank_select import rank_select


def random_values(number=5000, groups=4):
    """Values over 30 orders of magnitude, and groups of which one is empty; some belong to none."""
    values = 10.0 ** -(30 * torch.rand(number))
    return values, torch.randint(0, groups + 1, (number,)).where(torch.rand(number) < 0.9, groups)


@pytest.mark.parametrize('share', [0.001, 0.3, 0.5, 0.99, 1.0])
def test_equals_a_sort(share):
    values, groups = random_values()
    groups[groups == 2] = 4
    limit, total = rank_select(values, groups, 4, lambda n: (n * share).ceil().clamp(min=1))
    for g in (0, 1, 3):
        own = values[groups == g].sort().values
        assert int(total[g]) == len(own)
        exact = own[max(int(torch.tensor(len(own) * share).double().ceil()), 1) - 1]
        assert exact < limit[g] <= exact * (1 + 2**-14)
    assert int(total[2]) == 0


@pytest.mark.parametrize('low', [0.0, 1e-38, 0.25, 1.0])
def test_equal_values_stay_together(low):
    values = torch.tensor([low] * 50 + [1.5] * 50)
    for number, kept in ((1, 50), (30, 50), (50, 50), (51, 100)):
        limit, _ = rank_select(
            values, torch.zeros(100, dtype=torch.long), 1, lambda n, k=number: n * 0 + k
        )
        assert int((values <= limit).sum()) == kept


def test_values_that_are_none_are_the_largest():
    values = torch.tensor([0.1, float('nan'), 0.2, float('inf')])
    groups = torch.zeros(4, dtype=torch.long)
    limit, total = rank_select(values, groups, 1, lambda n: n / 2)
    assert int(total) == 4
    assert float(limit) == pytest.approx(0.2, rel=1e-4)


def test_one_value_counts_among_many():
    # Shares of 2^24 + 8 values, which float32 cannot count.
    number = 2**24 + 8
    values = torch.full((number,), 0.25)
    values[: number // 2 + 1] = 0.125
    groups = torch.zeros(number, dtype=torch.long)
    for extra, expected in ((1, 0.125), (2, 0.25)):
        limit, _ = rank_select(values, groups, 1, lambda n, extra=extra: n / 2 + extra)
        assert float(limit) == pytest.approx(expected, rel=1e-4)


def test_no_host_sync_and_no_data():
    values, groups = random_values(100)
    with SyncCounter() as counter:
        rank_select(values, groups, 4, lambda n: n)
    assert dict(counter.counts) == {}
    limit, _ = rank_select(values.to('meta'), groups.to('meta'), 4, lambda n: n)
    assert limit.shape == (4,)
