import csv

import pytest
import torch

TOOL = 'analysis_tools/benchmark_losses.py'


def test_table_and_csv(load_tool, tmp_path, capsys):
    tool = load_tool(TOOL)
    out = tmp_path / 'losses.csv'
    tool.main(['--sizes', 'tiny', '--device', 'cpu', '--repeats', '2', '--out', str(out)])
    printed = capsys.readouterr().out
    with open(out) as file:
        rows = list(csv.DictReader(file))
    assert {row['case'].split()[0] for row in rows} == set(tool.CASES)
    assert {'streamed', 'dense', 'streamed, tiles kept'} <= {row['form'] for row in rows}
    for row in rows:
        assert float(row['ms']) > 0 and float(row['MiB']) > 0
        if row['form'] in ('dense', 'loop over classes', 'all pairs'):
            assert (row['time ratio'], row['memory ratio']) == ('1.00', '1.00')
        if row['form'] != 'pytorch-metric-learning':
            assert float(row['difference']) < 1e-5, 'the forms are not the same loss'
        assert 'thread(s)' in row['conditions'] and 'median of 2' in row['conditions']
    assert 'streamed' in printed and str(out) in printed.replace('\n', '')


def test_what_does_not_fit_is_left_out(load_tool):
    tool = load_tool(TOOL)
    x = torch.ones(3, requires_grad=True)
    forms = [tool.Form('small', x.sum), tool.Form('dense', x.sum, needs=2**60)]
    small, dense = tool.measure(tool.Case('c', [x], forms), 'cpu', 1)
    assert dense['ms'] == dense['MiB'] == small['time ratio'] == '-'
    assert float(small['ms']) > 0


def test_help_has_an_example(load_tool, capsys):
    with pytest.raises(SystemExit):
        load_tool(TOOL).main(['--help'])
    assert 'python tools/analysis_tools/benchmark_losses.py' in capsys.readouterr().out
