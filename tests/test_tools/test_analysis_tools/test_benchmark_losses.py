import csv
import sys

import pytest
import torch

TOOL = 'analysis_tools/benchmark_losses.py'
PEER = 'pytorch_metric_learning'
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


def test_the_forms_have_the_same_gradients(load_tool):
    tool = load_tool(TOOL)
    for make in tool.CASES.values():
        for case in make('tiny', 'cpu'):
            # the peer normalises what it gets, which leaves no gradient along a vector
            forms = [form for form in case.forms if form.name != tool.PEER]
            if not case.leaves:
                continue
            expected, *others = (torch.autograd.grad(f.loss(), case.leaves) for f in forms)
            assert max(float(each.abs().max()) for each in expected) > 1e-3
            for form, found in zip(forms[1:], others):
                torch.testing.assert_close(
                    found, expected, rtol=1e-3, atol=1e-5, msg=f'{case.name}: {form.name}'
                )


def test_a_missing_peer_is_said_once_and_where_it_would_be_measured(load_tool, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, PEER, None)  # as if it were not installed
    tool = load_tool(TOOL)
    assert len(list(tool.CASES['csc']('tiny', 'cpu'))) == 1
    assert not capsys.readouterr().out
    cases = [case for key in SUPERVISED for case in tool.CASES[key]('tiny', 'cpu')]
    assert len(cases) == 3 and all(len(case.forms) >= 2 for case in cases)
    printed = capsys.readouterr().out
    assert printed.count('pip install --no-deps pytorch-metric-learning') == 1
    assert printed.count('\n') == 1


def test_the_peer_has_a_form_of_each_supervised_contrast(load_tool):
    pytest.importorskip(PEER)
    tool = load_tool(TOOL)
    for key in SUPERVISED:
        for case in tool.CASES[key]('tiny', 'cpu'):
            ours, dense, peer = (form.loss().item() for form in case.forms[:3])
            assert case.forms[2].name == tool.PEER
            assert peer == pytest.approx(dense, rel=1e-5)
            assert ours == pytest.approx(dense, rel=1e-5)


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
