"""The tables of a made-up card."""

import io

from rich.console import Console

from mmseg_contrast.tooling.gpu_check.record import wrong_form
from mmseg_contrast.tooling.gpu_check.table import last_sentence, print_record

RECORD = {
    'form': 1,
    'card': 'NVIDIA A100-SXM4-80GB',
    'dry': False,
    'environment': {'torch': '2.13.0', 'memory_gib': 79.1},
    'seconds': 311.4,
    'checks': [
        {'name': 'same/within', 'state': 'passed', 'said': 'equal', 'seconds': 1.2, 'figures': []},
        {
            'name': 'step/csc',
            'state': 'failed',
            'said': 'the loss is [bold] not finite',
            'seconds': 20.0,
            'figures': [
                {
                    'what': 'tf32',
                    'labeled': 2,
                    'unlabeled': 1,
                    'halved': True,
                    'height': 640,
                    'width': 480,
                    'ms': 1234.5,
                    'contrast_share': 0.0421,
                    'launches': 5678,
                    'peak_mib': 30210.4,
                },
            ],
        },
        {
            'name': 'kernel/csc',
            'state': 'skipped',
            'said': 'no time',
            'seconds': 0.0,
            'figures': [{'what': 'csc, streamed', 'ms': 2.504, 'mib': 'inf'}],
        },
    ],
}


def lines_of(record):
    out = io.StringIO()
    print_record(record, Console(file=out, width=140))
    return [
        ' '.join(line.replace('│', ' ').replace('┃', ' ').split())
        for line in out.getvalue().splitlines()
    ]


def test_a_card():
    assert wrong_form(RECORD) is None
    lines = lines_of(RECORD)
    assert 'NVIDIA A100-SXM4-80GB, 79.1 GiB, torch 2.13.0, 311 s' in lines
    assert 'same/within passed 1 equal' in lines
    assert 'step/csc failed 20 the loss is [bold] not finite' in lines
    assert 'step/csc 2 + 1 (halved) 640x480 tf32 1,234 4.2 % 5,678 30,210' in lines
    assert 'csc, streamed 2.50 inf' in lines
    assert lines[-1] == '1 passed, 1 failed, 1 skipped.'


def test_a_dry_run_says_that_the_figures_are_missing():
    record = {**RECORD, 'dry': True}
    assert last_sentence(record) == (
        '1 passed, 1 failed, 1 skipped. The figures are missing: this was a dry run on the CPU.'
    )
    lines = lines_of(record)
    assert lines[-1] == last_sentence(record)
    assert not any('Training steps' in line or 'Kernels' in line for line in lines)
