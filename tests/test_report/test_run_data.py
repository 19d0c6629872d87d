import json

import numpy as np

from mmseg_contrast.report.records import FOLDER, StepPictures, Validation, write_record
from mmseg_contrast.report.run_data import logged_name, read_run, value_near, without_images


def write_start(folder, name, start, validations=(), scalars=()):
    place = folder / name
    write_record(place / FOLDER / 'start.json', start)
    for each in validations:
        write_record(place / FOLDER / f'validation_{each.iteration:08d}.json', each)
    (place / 'vis_data').mkdir()
    (place / 'vis_data' / 'scalars.json').write_text('\n'.join(map(json.dumps, scalars)))
    return place / FOLDER


def test_an_empty_folder_has_nothing_to_report(tmp_path):
    assert read_run(tmp_path).is_empty
    assert read_run(tmp_path / 'absent').is_empty


def test_a_run_of_others_is_read_from_its_log_alone(tmp_path):
    place = tmp_path / '20260101' / 'vis_data'
    place.mkdir(parents=True)
    (place / 'config.py').write_text('a = 1')
    lines = ({'loss': 1.0, 'iter': 50, 'step': 50}, {'mIoU': 30.0, 'step': 50})
    (place / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))
    run = read_run(tmp_path)
    assert (run.name, run.iteration, run.max_iters) == (tmp_path.name, 50, 0)
    assert run.scores == {'student': [(50, 30.0)]}
    assert (run.config, run.classes, run.is_semi) == ('a = 1', [], False)


def test_classes_without_records_are_those_that_were_logged(make_run):
    run = make_run()
    run.starts = []
    assert run.classes == ['sky', '<script>alert(1)<-script>', 'road-lane']
    assert run.by_class('sup.share') == [1 / 3] * 3


def test_a_resumed_run_forgets_what_came_after_its_checkpoint(tmp_path, make_run, make_net):
    start = make_run().start
    first, second = start, type(start)(**{**vars(start), 'iteration': 200, 'seed': 1})
    records = [Validation(i, {'mIoU': i}, {'student': make_net()}) for i in (100, 200, 300)]
    write_start(tmp_path, '1', first, records, [{'loss': 1.0, 'iter': 300, 'step': 300}])
    place = write_start(tmp_path, '2', second, [Validation(400, {}, {'student': make_net()})])
    write_record(place / 'step_1_last.json', StepPictures(400, []))
    run = read_run(tmp_path)
    assert [each.iteration for each in run.validations] == [100, 200, 400]
    assert [each.iteration for each in run.starts] == [0, 200]
    assert run.start.seed == 1
    assert run.worst_folder == place
    assert run.pictures == [(place, StepPictures(400, []))]


def test_a_run_that_starts_anew_forgets_the_old_one(tmp_path, make_run, make_net):
    start = make_run().start
    write_start(tmp_path, '1', start, [Validation(100, {}, {'student': make_net()})])
    write_start(tmp_path, '2', start)
    run = read_run(tmp_path)
    assert (len(run.starts), run.validations) == (1, [])


def test_a_record_that_was_cut_is_as_good_as_none(tmp_path, make_run):
    place = write_start(tmp_path, '1', make_run().start)
    (place / 'validation_00000100.json').write_text('{"iteration": 1')
    (place / 'step_1_last.json').write_text('{}')
    run = read_run(tmp_path)
    assert (len(run.starts), run.validations, run.pictures) == (1, [], [])


def test_images_may_be_left_out(tmp_path, make_run):
    run = make_run()
    run.worst_folder, run.pictures = tmp_path, [(tmp_path, StepPictures(1, []))]
    hidden = without_images(run)
    assert (hidden.pictures, hidden.worst_folder) == ([], None)
    assert hidden.curves == run.curves and run.pictures


def test_iou_by_class(make_run):
    assert np.allclose(make_run().iou(), [80 / 82, 5 / 10, 8 / 15])
    assert make_run(validations=[]).iou() is None


def test_names_and_values():
    assert logged_name('road/lane') == 'road-lane'
    assert value_near([(1, 5.0), (2, float('nan')), (3, 7.0)], 2) == 5.0
    assert value_near([(3, 7.0)], 2) is None
