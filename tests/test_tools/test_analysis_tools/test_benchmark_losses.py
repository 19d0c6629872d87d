import csv

import pytest

TOOL = 'analysis_tools/benchmark_losses.py'
NAIVE = {
    'dense',
    'loops, dense',
    'all pairs',
    'loop over classes, all pairs',
    'loop over classes',
    'sorted lists',
}
SUPERVISED = {'within_image', 'batch', 'hybrid'}


def test_table_and_csv(load_tool, tmp_path, capsys):
    tool = load_tool(TOOL)
    out = tmp_path / 'losses.csv'
    tool.main(['--sizes', 'tiny', '--device', 'cpu', '--repeats', '2', '--out', str(out)])
    printed = capsys.readouterr().out
    with open(out) as file:
        rows = list(csv.DictReader(file))
    assert {row['case'].split()[0] for row in rows} == set(tool.CASES)
    assert set(tool.CASES) > SUPERVISED
    assert {'streamed', 'streamed, tiles kept', *NAIVE} <= {row['form'] for row in rows}
    for row in rows:
        assert float(row['ms']) > 0 and float(row['MiB']) > 0
        if row['form'] in NAIVE:
            assert (row['time ratio'], row['memory ratio']) == ('1.00', '1.00')
        # one bin of the histogram, a tenth of which goes into a threshold
        limit = 0.1 / 2048 / 0.8 if row['form'] == 'histogram' else 1e-5
        assert float(row['difference']) < limit, 'the forms are not the same loss'
        assert 'thread(s)' in row['conditions'] and 'median of 2' in row['conditions']
    assert 'streamed' in printed and str(out) in printed.replace('\n', '')


def test_help_has_an_example(load_tool, capsys):
    with pytest.raises(SystemExit):
        load_tool(TOOL).main(['--help'])
    assert 'python tools/analysis_tools/benchmark_losses.py' in capsys.readouterr().out
