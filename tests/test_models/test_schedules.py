import math

import pytest
from helpers import set_iter
from mmengine.logging import MessageHub

from mmseg_contrast.models.schedules import Ramp, current_iter, in_iterations, log_progress


@pytest.mark.parametrize(('start', 'length'), [(0, 250), (2250, 4000), (7, 1)])
def test_closed_form(start, length):
    ramp = Ramp(start, length)
    for iteration in (0, start - 1, start, start + length // 3, start + length, start + 9 * length):
        t = min(max((iteration - start) / length, 0), 1)
        expected = math.exp(-5 * (1 - t) ** 2) if iteration >= start else 0.0
        assert ramp(iteration) == pytest.approx(expected)
    assert ramp(start) == pytest.approx(math.exp(-5))
    assert ramp(start + length) == 1.0


def test_length_zero_is_a_step():
    assert [Ramp(5, 0)(i) for i in (4, 5, 6)] == [0, 1, 1]
    assert Ramp()(0) == 1


@pytest.mark.parametrize(
    ('start', 'length', 'named'),
    [
        (-1, 2, r'ramp\.start=-1'),
        (0, -0.1, r'ramp\.length=-0\.1'),
        (0, 2.5, r'ramp\.length=2\.5'),
        (0, 1.0, r'ramp\.length=1\.0'),
    ],
)
def test_what_is_no_length_is_named(start, length, named):
    with pytest.raises(ValueError, match=f'{named} is neither a whole number of iterations nor'):
        Ramp(start, length)


def test_shares_follow_the_length_of_the_training():
    ramp = Ramp(start=0.1, length=0.2)
    assert ramp(0) == 1, 'without a Runner there is no training to take a share of'
    for total in (100, 3000, 25000):
        MessageHub.get_current_instance().update_info('max_iters', total)
        assert in_iterations(0.1) == total // 10
        for done in (0, 0.05, 0.1, 0.25, 0.3, 1):
            iteration = round(done * total)
            expected = Ramp(total // 10, total // 5)(iteration)
            assert ramp(iteration) == pytest.approx(expected, rel=1e-12)
    assert [in_iterations(length) for length in (0, 1, 250, 2250.0)] == [0, 1, 250, 2250]


def test_current_iter_is_that_of_the_runner_or_zero():
    assert current_iter() == 0
    set_iter(42)
    assert current_iter() == 42


def test_log_progress_is_that_of_the_runner_or_zero():
    set_iter(9)
    assert log_progress() == 0
    MessageHub.get_current_instance().update_info('max_iters', 999)
    assert log_progress() == pytest.approx(1 / 3)
    set_iter(0)
    assert log_progress() == 0
    set_iter(2000)
    assert log_progress() == 1


def test_the_end_of_the_burn_in_is_known_to_the_segmentor():
    ramp = Ramp('burn_in', 10)
    assert ramp(0) == Ramp(0, 10)(0), 'where there is no burn-in'
    ramp.follow_burn_in(7)
    assert [ramp(i) for i in (6, 7, 17)] == [0, math.exp(-5), 1]
    fixed = Ramp(3)
    fixed.follow_burn_in(7)
    assert (fixed(2), fixed(3)) == (0, 1)
