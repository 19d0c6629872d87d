import json

from mmseg_contrast.scalars import find_scalars, read_curves, read_scalars


def test_logs_from_old_to_new_without_a_line_that_was_cut_off(tmp_path):
    for name in ('20260102', '20260101'):
        folder = tmp_path / name / 'vis_data'
        folder.mkdir(parents=True)
        (folder / 'scalars.json').write_text(f'{{"step": 1, "run": "{name}"}}\n{{"step": 2, "lo')
    logs = find_scalars(tmp_path)
    assert [list(read_scalars(log)) for log in logs] == [
        [{'step': 1, 'run': '20260101'}],
        [{'step': 1, 'run': '20260102'}],
    ]
    assert find_scalars(logs[0]) == [logs[0]]


def write(folder, name, *entries):
    path = folder / name / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text('\n'.join(map(json.dumps, entries)))
    return path


def test_curves_of_a_resumed_run_and_times_of_the_training_alone(tmp_path):
    first = write(
        tmp_path,
        '1',
        {'loss': 3.0, 'time': 0.5, 'iter': 10, 'step': 10},
        {'mIoU': 40.0, 'time': 9.0, 'step': 10},
        {'loss': 2.0, 'time': 0.5, 'iter': 20, 'step': 20},
        {'loss': 1.0, 'time': 0.5, 'iter': 30, 'step': 30},
        {'no step': 1.0},
    )
    second = write(tmp_path, '2', {'loss': 2.5, 'lr': 0.1, 'time': 0.7, 'step': 20})
    assert read_curves([first, second]) == {
        'loss': [(10, 3.0), (20, 2.5)],
        'time': [(10, 0.5), (20, 0.7)],
        'mIoU': [(10, 40.0)],
        'lr': [(20, 0.1)],
    }
    assert read_curves([]) == {}
