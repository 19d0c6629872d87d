import json

import numpy as np

from mmseg_contrast.report.records import (
    ImageSet,
    MonitorRecord,
    NetRecord,
    Start,
    StepPictures,
    Validation,
    WorstImage,
    read_pictures,
    read_start,
    read_validation,
    write_record,
)


def test_a_start_comes_back_as_it_was(tmp_path):
    start = Start(
        iteration=5,
        max_iters=10,
        burn_in=2,
        seed=3,
        processes=1,
        command='python tools/train.py x.py',
        time='2026-01-01 10:00',
        classes=['a', '<b>'],
        palette=[[0, 1, 2], [3, 4, 5]],
        sets=[ImageSet('labelled', 8, 4), ImageSet('unlabelled', 80, 4)],
        environment={'torch': '2'},
    )
    write_record(tmp_path / 'start.json', start)
    assert read_start(tmp_path / 'start.json') == start


def test_a_validation_comes_back_and_what_is_no_number_is_null(tmp_path):
    net = NetRecord(
        [[1, 2], [3, 4]], [[1.0], [2.0], [3.0]], 0.5, [0.25, float('nan')], np.float64(0.5)
    )
    record = Validation(
        iteration=7,
        metrics={'mIoU': float('inf')},
        nets={'student': net},
        worst=[WorstImage('a.png', 0.1, 'i.jpg', 't.jpg', 'p.jpg')],
        monitor=MonitorRecord(2, [[1.0, 0.0], [0.0, 1.0]]),
        host_memory=512.5,
    )
    path = tmp_path / 'deep' / 'validation.json'
    write_record(path, record)
    assert 'NaN' not in path.read_text()
    assert json.loads(path.read_text())['metrics'] == {'mIoU': None}
    read = read_validation(path)
    assert read.nets['student'].within == [0.25, None]
    assert read.nets['student'].between == 0.5
    assert read.host_memory == 512.5
    assert (read.worst, read.monitor) == (record.worst, record.monitor)


def test_pictures_come_back(tmp_path):
    step = StepPictures(3, [('Image 1', [('weak', 'a.jpg'), ('strong', 'b.jpg')])])
    write_record(tmp_path / 'step.json', step)
    assert read_pictures(tmp_path / 'step.json') == step
