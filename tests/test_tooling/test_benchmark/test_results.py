"""What is read from logs, and the files of a result."""

import csv
import json

import pytest
from mmengine.config import ConfigDict

from mmseg_contrast.tooling.benchmark import results


def write_log(folder, start, lines):
    path = folder / start / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text('\n'.join(map(json.dumps, lines)))


@pytest.fixture
def folders(tmp_path):
    """Two stages; the second was interrupted after step 40 and went on from step 20."""
    write_log(
        tmp_path / 'pretrain',
        '1',
        [{'loss': 1.0, 'time': 3.0, 'step': 20}, {'loss': 1.0, 'time': 1.0, 'step': 30}],
    )
    steps = [
        {'loss': 2.0, 'time': 1.0, 'unsup.coverage': 0.2, 'step': 20},
        {'mIoU': 50.0, 'time': 77.0, 'memory': 9, 'step': 20},
        {'loss': 9.0, 'time': 9.0, 'unsup.coverage': 0.9, 'step': 40},
    ]
    again = [
        {'loss': 1.5, 'time': 2.0, 'unsup.coverage': 0.4, 'unsup.coverage/sky': 0.7, 'step': 40},
        {'mIoU': 40.25, 'time': 77.0, 'step': 40},
    ]
    write_log(tmp_path / 'finetune', '1', steps)
    write_log(tmp_path / 'finetune', '2', again)
    return [tmp_path / 'pretrain', tmp_path / 'finetune']


def test_what_was_done_again_counts_once(folders):
    entries = results.logged(folders)
    assert [(e['stage'], e['step'], e['loss']) for e in entries] == [
        (0, 20, 1.0),
        (0, 30, 1.0),
        (1, 20, 2.0),
        (1, 40, 1.5),
    ]
    # 20 x 3 s + 10 x 1 s, 20 x 1 s + 20 x 2 s
    assert results.minutes_of(entries) == pytest.approx(130 / 60)
    assert not any('memory' in entry for entry in entries)
    assert results.best_of(entries, 'student', 40.2513) == 50
    assert results.best_of(entries, 'student', 60.5) == 60.5
    assert results.best_of(entries, 'teacher', 3.0) == 3
    assert results.coverage_of(entries) == pytest.approx(0.4)
    assert results.coverage_of(entries[:2]) is None


def test_scalars_become_one_line_a_step(folders):
    lines = list(csv.DictReader(results.scalars_table(results.logged(folders)).splitlines()))
    assert [(line['stage'], line['step']) for line in lines] == [
        ('0', '20'),
        ('0', '30'),
        ('1', '20'),
        ('1', '40'),
    ]
    assert lines[3]['mIoU'] == '40.25'
    assert lines[3]['unsup.coverage/sky'] == '0.7'
    assert [*lines[0]][-1] == 'unsup.coverage/sky'
    assert lines[0]['mIoU'] == ''


def test_the_branches_of_a_semi_supervised_run_are_told_apart():
    entries = [{'student/mIoU': 30.0, 'teacher/mIoU': 35.0, 'stage': 0, 'step': 1}]
    assert results.best_of(entries, 'student', 20.0) == 30
    assert results.best_of(entries, 'teacher', 20.0) == 35


@pytest.mark.parametrize(
    ('loader', 'expected'),
    [
        (dict(batch_size=8), 8),
        (dict(batch_size=8, sampler=dict(source_ratio=[1, 1])), 4),
        (dict(batch_size=8, sampler=dict(source_ratio=[1, 3])), 2),
    ],
)
def test_labelled_images_of_a_step(loader, expected):
    assert results.labeled_per_step(ConfigDict(train_dataloader=loader)) == expected


def test_a_result_survives_its_file(tmp_path):
    path = results.result_path(tmp_path, 'a_b_c-2_seed0')
    assert path == tmp_path / 'a_b_c-2_seed0.json'
    assert results.read_result(path) is None
    values = {
        'data': 'c',
        'labels': 2,
        'net': 'b',
        'branch': 'teacher',
        'student': {'last': 41.5, 'iou': [None, 1.25]},
        'teacher': {'last': 42.5},
        'config': {'model.type': 'X', 'crop': [1, 2]},
    }
    results.write_result(path, values)
    assert '  "iou": [null, 1.25]\n' in path.read_text()
    result = results.read_result(path)
    assert result.values == values
    assert result.group == ('c', 2, 'b')
    assert (result.last(), result.last('student')) == (42.5, 41.5)
    del values['teacher'], values['student']
    for suffix in ('.npz', '.csv'):
        path.with_suffix(suffix).touch()
    results.remove_result(path)
    assert list(tmp_path.iterdir()) == []
    results.remove_result(path)


def test_the_commit_is_that_of_the_clone(tmp_path, monkeypatch):
    monkeypatch.setattr(results, 'ROOT', tmp_path)
    monkeypatch.setenv('GIT_CEILING_DIRECTORIES', str(tmp_path.parent))
    assert results.commit() is None
    assert results.device_name()
