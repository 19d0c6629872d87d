import argparse

import pytest
import torch

from mmseg_contrast.tooling.measure import (
    add_measure_arguments,
    fix_conditions,
    free_bytes,
    measure_in_turns,
    peak_bytes,
    seconds,
)


def test_peak_is_that_of_the_allocator():
    x = torch.zeros(1000, requires_grad=True)

    def work():
        (x * x).sum().backward()

    # the square; then, in the backward pass, both factors of it and their sum
    assert 8000 <= peak_bytes(work, 'cpu') <= 17000


def test_peak_is_not_the_sum():
    def work():
        for _ in range(5):
            torch.zeros(1000)

    assert peak_bytes(work, 'cpu') == 4000


def test_work_is_done_once_for_a_time():
    calls = []
    assert seconds(lambda: calls.append(1), 'cpu') > 0
    assert calls == [1]


def test_conditions_are_named():
    text = fix_conditions('cpu', 7)
    assert f'torch {torch.__version__}, {torch.get_num_threads()} thread(s)' in text
    assert text.endswith('median of 7') and free_bytes('cpu') > 0


def test_work_is_measured_in_turns():
    calls = []
    works = {name: lambda name=name: calls.append(name) for name in 'ab'}
    found = measure_in_turns(works, 'cpu', 3)
    # three rounds of times, then the peak of each
    assert calls == [*'ababab', 'a', 'b']
    assert all(milli > 0 and mega == 0 for milli, mega in found.values())


def test_no_repeat_measures_nothing(capsys):
    parser = argparse.ArgumentParser()
    add_measure_arguments(parser, repeats=4)
    assert parser.parse_args([]).repeats == 4
    with pytest.raises(SystemExit):
        parser.parse_args(['--repeats', '0'])
    assert '0 measures nothing: give 1 or more' in capsys.readouterr().err
