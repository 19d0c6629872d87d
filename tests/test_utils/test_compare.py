import json

import pytest

from mmseg_contrast.utils.compare import (
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
    single = {'train_dataloader': {'dataset': {'ann_file': str(listed)}}}
    several = {'train_dataloader': {'dataset': {'datasets': [{'ann_file': str(listed)}, {}]}}}
    everything = {'train_dataloader': {'dataset': {'ann_file': ''}}}
    assert [count_labeled(cfg) for cfg in (single, several, everything)] == ['2', '2', 'all']


@pytest.mark.parametrize(
    'values, text', [([], '-'), ([40.0], '40.00'), ([40.0, 42.0], '41.00 ± 1.41')]
)
def test_mean_and_spread(values, text):
    assert mean_and_spread(values) == text


def test_table_states_gains_over_the_first_config():
    results = [
        RunResult('sup', 0, 10, {'student': 40.0}),
        RunResult('sup', 1, 10, {'student': 42.0}),
        RunResult('c3', 0, 10, {'student': 46.0, 'teacher': 47.5}),
    ]
    rows = tabulate(results, {'sup': '8', 'c3': '8', 'none': '8'}, ['sup', 'c3', 'none'])
    assert rows[0] == ['sup', '8', '0 1', '41.00 ± 1.41', '', '-', '']
    assert rows[1] == ['c3', '8', '0', '46.00', '+5.00', '47.50', '+6.50']
    assert rows[2] == ['none', '8', '-', '-', '', '-', '']
    assert to_markdown(rows).count('\n') == 5
