"""Checks run one after another: each failure is one sentence, and none ends the rest."""

import pytest

from mmseg_contrast.tooling.gpu_check.check import (
    Check,
    CheckFailed,
    CheckSkipped,
    Said,
    Settings,
    first_sentence,
    run_checks,
)

FIGURES = [{'what': 'x', 'ms': 2.5}]


def raises(error):
    def run(settings):
        raise error

    return run


def test_one_failure_does_not_end_the_rest():
    checks = [
        Check('a', raises(CheckFailed('the loss is wrong', FIGURES))),
        Check('b', raises(CheckSkipped('nothing to see'))),
        Check('c', raises(RuntimeError('\nCUDA error: launch failure\nCompile with ...'))),
        Check('d', lambda settings: Said(f'on {settings.device}', FIGURES)),
    ]
    outcomes = list(run_checks(checks, Settings('cpu')))
    assert [(o.name, o.state, o.said, o.figures) for o in outcomes] == [
        ('a', 'failed', 'the loss is wrong', FIGURES),
        ('b', 'skipped', 'nothing to see', []),
        ('c', 'failed', 'RuntimeError: CUDA error: launch failure', []),
        ('d', 'passed', 'on cpu', FIGURES),
    ]


def test_an_interruption_ends_the_rest():
    with pytest.raises(KeyboardInterrupt):
        list(run_checks([Check('a', raises(KeyboardInterrupt()))], Settings('cpu')))


def test_no_check_begins_when_the_time_is_over():
    settings, seen = Settings('cpu', seconds=60), []

    def takes_two_minutes(settings):
        settings.started -= 120
        seen.append('a')
        return Said('done')

    checks = [Check('a', takes_two_minutes), Check('b', seen.append)]
    first, second = run_checks(checks, settings)
    assert (first.state, second.state, seen) == ('passed', 'skipped', ['a'])
    assert second.said == 'the 1 minutes were over; give --minutes'


def test_a_dry_run_is_that_of_a_cpu():
    assert Settings('cpu').dry and not Settings('cuda').dry


def test_an_error_without_a_word():
    assert first_sentence(ValueError()) == 'no reason given'
