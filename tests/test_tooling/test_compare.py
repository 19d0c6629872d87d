import json

import pytest

from mmseg_contrast.tooling.compare import (
    RunResult,
    count_labeled,
    mean_and_spread,
    read_result,
    tabulate,
    to_markdown,
)


def write_log(folder, stamp, lines):
    path = folder / stamp / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text('\n'.join(json.dumps(line) for line in lines))


def test_reads_the_last_iteration_of_a_resumed_run(tmp_path):
    write_log(tmp_path, '20260101_000000', [{'loss': 1.0, 'step': 10}, {'mIoU': 30.0, 'step': 10}])
    assert read_result(tmp_path, 'sup', 0, 20) is None
    write_log(
        tmp_path, '20260102_000000', [{'teacher/mIoU': 52.0, 'student/mIoU': 50.0, 'step': 20}]
    )
    assert read_result(tmp_path, 'sup', 0, 20).scores == {'student': 50.0, 'teacher': 52.0}
    assert read_result(tmp_path, 'sup', 0, 10).scores == {'student': 30.0}


def test_counts_labels(tmp_path):
    listed = tmp_path / 'list.txt'
    listed.write_text('a\nb\n\n')
    labeled = {'data_root': '', 'ann_file': str(listed)}
    single = {'train_dataloader': {'dataset': labeled}}
    several = {'train_dataloader': {'dataset': {'datasets': [labeled, {'data_root': ''}]}}}
    below_root = {'data_root': str(tmp_path), 'ann_file': 'list.txt'}
    everything = {'data_root': str(tmp_path), 'ann_file': ''}
    assert [count_labeled(cfg) for cfg in (single, several)] == ['2', '2']
    for dataset, count in ((below_root, '2'), (everything, 'all')):
        assert count_labeled({'train_dataloader': {'dataset': dataset}}) == count


@pytest.mark.parametrize(
    'values, text', [([], '-'), ([40.0], '40.00'), ([40.0, 42.0], '41.00 ± 1.41')]
)
def test_mean_and_spread(values, text):
    assert mean_and_spread(values) == text


def test_best_is_that_of_each_branch_and_what_was_validated_again_counts_once(tmp_path):
    write_log(
        tmp_path,
        '20260101_000000',
        [
            {'teacher/mIoU': 40.0, 'student/mIoU': 55.0, 'step': 10},
            {'teacher/mIoU': 99.0, 'student/mIoU': 99.0, 'step': 20},  # before the interruption
        ],
    )
    again = [
        {'teacher/mIoU': 53.0, 'student/mIoU': 52.0, 'step': 20},
        {'teacher/mIoU': 50.0, 'student/mIoU': 51.0, 'step': 30},
        {'teacher/mIoU': 90.0, 'student/mIoU': 90.0, 'step': 40},  # longer than is asked
    ]
    write_log(tmp_path, '20260102_000000', again)
    result = read_result(tmp_path, 'c3', 0, 30)
    assert result.scores == {'student': 51.0, 'teacher': 50.0}
    assert result.best == {'student': 55.0, 'teacher': 53.0}


def test_table_states_gains_over_the_first_config():
    results = [
        RunResult('sup', 0, 10, {'student': 40.0}, {'student': 41.0}, 0),
        RunResult('sup', 0, 10, {'student': 42.0}, {'student': 45.0}, 1),
        RunResult('c3', 3, 10, {'student': 46.0, 'teacher': 47.5}, {'student': 48, 'teacher': 49}),
    ]
    rows = tabulate(results, {'sup': '8', 'c3': '8', 'none': '8'}, ['sup', 'c3', 'none'])
    assert rows == [
        ['sup', '8', '0 1', '0', 'last', '41.00 ± 1.41', '-'],
        ['sup', '8', '0 1', '0', 'best', '43.00 ± 2.83', '-'],
        ['c3', '8', '-', '3', 'last', '46.00 (+5.00)', '47.50 (+6.50)'],
        ['c3', '8', '-', '3', 'best', '48.00 (+5.00)', '49.00 (+6.00)'],
        ['none', '8', '-', '-', 'last', '-', '-'],
        ['none', '8', '-', '-', 'best', '-', '-'],
    ]
    assert to_markdown(rows).count('\n') == 8
