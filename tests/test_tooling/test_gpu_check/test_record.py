"""The form of a card's file, which others read and send along."""

import json

import pytest

from mmseg_contrast.tooling.gpu_check.check import Outcome, Settings
from mmseg_contrast.tooling.gpu_check.record import (
    card_name,
    file_name,
    make_record,
    read_record,
    write_record,
    wrong_form,
)

FIGURE = {'what': 'tf32', 'ms': 2.5, 'launches': 3, 'peak_mib': None}
OUTCOMES = [
    Outcome('same/within', 'passed', 'equal', 1.0, [FIGURE]),
    Outcome('step/csc', 'failed', 'too far', 2.0, [{'what': 'x', 'loss': float('inf')}]),
]


@pytest.fixture
def record():
    return make_record(Settings('cpu'), OUTCOMES)


def test_the_file_is_read_as_it_was_written(tmp_path, record):
    path = tmp_path / 'results' / 'gpu' / 'cpu.json'
    write_record(path, record)
    found = read_record(path)
    assert found['checks'][0] == {
        'name': 'same/within',
        'state': 'passed',
        'said': 'equal',
        'seconds': 1.0,
        'figures': [FIGURE],
    }
    assert found['checks'][1]['figures'] == [{'what': 'x', 'loss': 'inf'}], 'JSON has no infinity'
    assert (found['form'], found['card'], found['dry']) == (1, 'CPU', True)
    assert [file.name for file in path.parent.iterdir()] == ['cpu.json']


def test_the_environment_says_what_figures_depend_on_and_not_who_measured(record):
    known = record['environment']
    assert {
        'torch',
        'python',
        'system',
        'mmseg_contrast',
        'mmengine',
        'mmcv',
        'mmsegmentation',
    } <= set(known)
    assert known['mmengine'].split()[0] in ('onedl-mmengine', 'mmengine')
    text = json.dumps(record)
    assert '/home' not in text and '/root' not in text


def test_names():
    assert file_name('NVIDIA H100 80GB HBM3') == 'nvidia-h100-80gb-hbm3.json'
    assert file_name(card_name('cpu')) == 'cpu.json'


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (lambda r: r.pop('card'), 'the file has no card that is a str'),
        (lambda r: r.update(dry=1), 'the file has no dry that is a bool'),
        (lambda r: r.update(form=9), 'form 9 is not 1'),
        (lambda r: r['checks'].append(3), 'a check is no dict'),
        (lambda r: r['checks'][0].pop('said'), 'a check has no said that is a str'),
        (lambda r: r['checks'][0].update(seconds=True), 'a check has no seconds that is a float'),
        (
            lambda r: r['checks'][0].update(state='good'),
            "same/within has the state good, which is none of ('passed', 'failed', 'skipped')",
        ),
        (
            lambda r: r['checks'][0]['figures'].append({'ms': 3}),
            'a figure of same/within has no name in "what"',
        ),
        (
            lambda r: r['checks'][0]['figures'][0].update(ms=[3]),
            'ms of same/within is no text and no number',
        ),
    ],
)
def test_another_form_is_refused_in_one_sentence(tmp_path, record, change, said):
    record = json.loads(json.dumps(record))
    assert wrong_form(record) is None
    change(record)
    assert wrong_form(record) == said
    path = tmp_path / 'card.json'
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r'run tools/check_gpu.sh again'):
        read_record(path)


def test_no_json_is_refused(tmp_path):
    path = tmp_path / 'card.json'
    path.write_text('{"form": 1')
    with pytest.raises(ValueError, match=r'is no JSON: .*; run tools/check_gpu.sh again'):
        read_record(path)
