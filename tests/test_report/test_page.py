from pathlib import Path

import cv2
import numpy as np
import pytest
from page_reader import PageReader, check_self_contained

from mmseg_contrast.report.page import MINUS, UNKNOWN, number, percent, render, signed, write_page
from mmseg_contrast.report.records import (
    MonitorRecord,
    NetRecord,
    StepPictures,
    Validation,
    WorstImage,
)

STEPS = range(50, 1001, 50)


@pytest.fixture
def full_run(make_run, make_net, tmp_path):
    """A run with every part of a report, on a disk."""
    for name in ('a.jpg', 'b.jpg'):
        (tmp_path / name).write_bytes(
            cv2.imencode('.jpg', np.zeros((6, 8, 3), np.uint8))[1].tobytes()
        )
    monitor = MonitorRecord(
        3, [[10.0, 0, 0], [0, 5, 5], [0, 0, 10]], [[8.0, 0, 0], [0, 4, 1], [0, 0, 10]]
    )
    nets = {
        'student': make_net(within=[0.9, 0.8, None], between=0.25),
        'teacher': make_net([[70, 10, 0], [0, 5, 5], [0, 0, 10]]),
    }
    worst = [WorstImage('<script>name</script>.jpg', 0.123, 'a.jpg', 'b.jpg', 'a.jpg')]
    run = make_run(
        {
            'unsup.loss_consistency': [(s, 0.5) for s in STEPS],
            'unsup.consistency_raw': [(s, 2.0) for s in STEPS],
            'unsup.consistency_ramp': [(s, 0.25) for s in STEPS],
            'unsup.threshold/sky': [(s, 0.75) for s in STEPS],
            'unsup.coverage_per_class/sky': [(s, 0.625) for s in STEPS],
            'bank.fill': [(s, 0.5) for s in STEPS],
            'bank/fill/sky': [(s, 0.5) for s in STEPS],
            'bank/age/sky': [(s, 12.0) for s in STEPS],
            'bank/purity/sky': [(s, 0.875) for s in STEPS],
            'bank.separ': [(s, 6.0) for s in STEPS],
        },
        validations=[Validation(i, {}, nets, worst, monitor) for i in (500, 1000)],
        burn_in=100,
    )
    run.worst_folder = tmp_path
    run.pictures = [(tmp_path, StepPictures(1, [('Image 1', [('weak', 'a.jpg')])]))]
    run.config = "a = '<script>'"
    return run


def test_the_page_is_sound_and_needs_nothing_else(full_run):
    html = render([full_run])
    reader = PageReader(html)
    check_self_contained(reader)
    assert [image.size for image in reader.pictures()] == [(8, 6)] * 4
    assert {'html', 'head', 'body', 'main', 'article', 'section', 'svg', 'table'} <= set(
        reader.tags
    )
    ids = [
        value for _, name, value in reader.attributes if name == 'id' and value.startswith('run')
    ]
    links = [value for tag, name, value in reader.attributes if (tag, name) == ('a', 'href')]
    assert [link.removeprefix('#') for link in links] == ids[1:], 'each section is linked'
    assert len(ids) == len(set(ids)) == 10


def test_names_are_text_and_never_markup(full_run):
    html = render([full_run])
    assert '<script' not in html
    text = ''.join(PageReader(html).text)
    for name in ('<script>alert(1)</script>', '<script>name</script>.jpg', 'run <b>1</b>'):
        assert name in text
    assert "a = '<script>'" in text


def test_every_number_of_a_class_is_its_own(full_run):
    reader = PageReader(render([full_run]))
    # share of the pixels, IoU of student and teacher
    assert reader.table_row('sky')[0] == ['80.0 %', '97.6', '87.5']
    assert reader.table_row('<script>alert(1)</script>')[0] == ['10.0 %', '50.0', '25.0']
    # shares, kept, threshold; precision and recall of the kept of the monitored pixels
    assert reader.table_row('sky', 7) == [
        ['33.3', '33.3', '', '62.5', '75.0', '100.0', '80.0'],
    ]
    assert reader.table_row('road/lane', 7)[0][-2:] == ['90.9', '100.0']
    # fill, age, purity of the bank
    assert ['50.0', '12', '87.5'] in reader.table_row('sky')
    # before weight and ramp, ramp, in the total
    assert reader.table_row('unsup.loss_consistency') == [['2', '0.25', '0.5']]
    assert reader.table_row('sup.decode.loss_ce') == [[UNKNOWN, UNKNOWN, '0.05']]
    # cosine within the class
    assert ['0.8'] in reader.table_row('<script>alert(1)</script>')


def test_time_memory_and_passes(make_run, make_net):
    run = make_run({'memory': [(50, 900.0), (100, 1234.0)]}, burn_in=100)
    run.validations = [Validation(1000, {}, {'student': make_net()}, host_memory=2048.4)]
    text = ''.join(PageReader(render([run])).text)
    assert 'A step1.000 s' in text and 'of which waiting for images0.010 s' in text
    assert 'GPU memory, peak1,234 MB' in text
    assert 'Host memory, peak2,048 MB, without workers' in text
    # 1,000 steps of 4 of 10 images, and 900 of 4 of 100 after the burn-in
    assert 'Labelled400.0 passes over 10 images, 4 a step' in text
    assert 'Unlabelled36.0 passes over 100 images, 4 a step' in text


def test_confusions_are_in_percent_of_the_true_class(full_run):
    reader = PageReader(render([full_run]))
    assert reader.table_row('<script>alert(1)</script>', 2) == [['road/lane', '50.0']]
    assert ['', '50', '50'] in reader.table_row('<script>alert(1)</script>', 3)
    assert ['20', '', '80'] in reader.table_row('road/lane', 3)


def test_gains_are_over_the_baseline_by_class(full_run, make_run, make_net):
    baseline = make_run(nets={'student': make_net([[60, 20, 0], [0, 10, 0], [0, 0, 10]])})
    baseline.name = 'labels alone'
    baseline.curves['student/mIoU'] = [(1000, 51.0)]
    reader = PageReader(render([full_run], baseline))
    assert reader.table_row('sky')[0][-2:] == ['75.0', '+22.6']
    assert reader.table_row('road/lane')[0][-2:] == ['100.0', f'{MINUS}46.7']
    text = ' '.join(''.join(reader.text).split())
    assert 'Gain+10.0over labels alone (51.0)' in text.replace(' +', '+').replace('0 over', '0over')
    assert 'Gains are over labels alone.' in text


def test_several_runs_stand_on_one_page(full_run, make_run):
    reader = PageReader(render([make_run(), full_run]))
    ids = [
        value for _, name, value in reader.attributes if name == 'id' and value.startswith('run')
    ]
    assert {'run1', 'run2', 'run1-next', 'run2-next'} <= set(ids) and len(ids) == len(set(ids))
    assert reader.tags.count('article') == 2


def test_a_run_without_records_says_what_it_lacks(make_run):
    run = make_run(validations=[])
    run.starts = []
    text = ''.join(PageReader(render([run])).text)
    assert 'trained without ReportHook' in text and 'Mistakes' not in text


def test_a_run_that_has_only_begun(make_run):
    run = make_run(validations=[])
    run.curves = {}
    text = ''.join(PageReader(render([run])).text)
    assert 'at iteration 0 of 1,000' in text and 'Nothing stands out.' in text


def test_many_classes_have_no_matrix(make_run, make_net):
    run = make_run()
    start = run.start
    classes = [f'class {i}' for i in range(60)]
    run.starts = [type(start)(**{**vars(start), 'classes': classes, 'palette': [[1, 2, 3]] * 60})]
    counts = np.eye(60, dtype=int) + np.eye(60, k=1, dtype=int)
    net = NetRecord(counts.tolist(), np.ones((3, 15)).tolist())
    run.validations = [Validation(1000, {}, {'student': net})]
    html = render([run])
    assert 'Confusion matrix' not in html and 'Most frequent confusions' in html


def test_numbers_as_they_are_written():
    assert [percent(v) for v in (0.1234, 0.0, None, float('nan'))] == [
        '12.3',
        '0.0',
        UNKNOWN,
        UNKNOWN,
    ]
    assert [number(v) for v in (0.012345, 123456.0, 7, None)] == ['0.0123', '123,456', '7', UNKNOWN]
    assert [signed(v) for v in (1.25, -0.5, -0.04, None)] == ['+1.2', f'{MINUS}0.5', '0.0', UNKNOWN]


def test_the_page_is_written(full_run, tmp_path):
    path = Path(tmp_path, 'deep', 'report.html')
    write_page(path, [full_run])
    assert path.read_text(encoding='utf-8') == render([full_run])
