"""The tool from end to end, dry and with a cut list of checks."""

import json

import pytest
import torch

from mmseg_contrast.tooling.gpu_check.check import Check, CheckFailed, Said
from mmseg_contrast.tooling.gpu_check.record import read_record

TOOL = 'analysis_tools/check_gpu.py'
CUT = ['--dry', '--only', 'same/within', 'syncs/labels_alone', 'step/fixmatch', 'kernel/csc']


def test_a_dry_run_from_end_to_end(load_tool, tmp_path, capsys):
    out = tmp_path / 'cpu.json'
    load_tool(TOOL).main([*CUT, '--out', str(out)])
    record = read_record(out)
    assert [(check['name'], check['state']) for check in record['checks']] == [
        ('same/within', 'passed'),
        ('syncs/labels_alone', 'passed'),
        ('step/fixmatch', 'passed'),
        ('kernel/csc', 'passed'),
    ]
    printed = capsys.readouterr().out
    assert 'The figures are missing: this was a dry run on the CPU.' in printed
    assert str(out) in printed.replace('\n', '')


@pytest.mark.parametrize('fails', [True, False])
def test_a_failure_is_the_exit_code_and_is_written_before_the_next_check(
    load_tool, tmp_path, monkeypatch, fails
):
    tool, out = load_tool(TOOL), tmp_path / 'cpu.json'
    written = []

    def first(settings):
        if fails:
            raise CheckFailed('wrong')
        return Said('right')

    def second(settings):
        written.append(json.loads(out.read_text())['checks'])
        return Said('right')

    checks = [Check('a', first), Check('b', second)]
    monkeypatch.setattr(tool, 'all_checks', lambda tune: checks)
    if fails:
        with pytest.raises(SystemExit) as caught:
            tool.main(['--dry', '--out', str(out)])
        assert caught.value.code == 1
    else:
        tool.main(['--dry', '--out', str(out)])
    assert [check['name'] for check in written[0]] == ['a']
    assert [check['name'] for check in read_record(out)['checks']] == ['a', 'b']


def test_a_file_is_shown(load_tool, tmp_path, capsys):
    tool, out = load_tool(TOOL), tmp_path / 'cpu.json'
    tool.main(['--dry', '--only', 'same/bank_update', '--out', str(out)])
    capsys.readouterr()
    tool.main(['--show', str(out)])
    assert 'same/bank_update' in capsys.readouterr().out


def test_without_a_card_a_dry_run_is_offered(load_tool, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ValueError, match=r'sees no CUDA card: .* give --dry'):
        load_tool(TOOL).main([])


@pytest.mark.parametrize(
    ('pattern', 'said'), [('stpe/*', '--list prints all names'), ('tiles', 'give --tune with it')]
)
def test_an_unknown_check_is_one_sentence(load_tool, pattern, said):
    with pytest.raises(ValueError, match=f'there is no such check; {said}'):
        load_tool(TOOL).main(['--dry', '--only', pattern])


def test_names_are_listed(load_tool, capsys):
    load_tool(TOOL).main(['--list', '--only', 'same/with*'])
    assert capsys.readouterr().out.split() == ['same/within', 'same/with_bank']


def test_help_has_an_example(load_tool, capsys):
    with pytest.raises(SystemExit):
        load_tool(TOOL).main(['--help'])
    assert 'bash tools/check_gpu.sh' in capsys.readouterr().out
