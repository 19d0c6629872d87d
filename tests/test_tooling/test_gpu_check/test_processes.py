"""Processes are started, watched and ended; a training in one over gloo gives a result."""

import json
import sys

import pytest

from mmseg_contrast.tooling.gpu_check import processes
from mmseg_contrast.tooling.gpu_check.check import CheckFailed, Settings

RESULT = {
    'what': 'two steps',
    'backend': 'nccl',
    'processes': 2,
    'ms': 3.0,
    'finite': True,
    'apart': 0.0,
}


def python(code):
    return [sys.executable, '-c', code]


def test_a_program_that_hangs_is_ended_with_what_it_started():
    code = 'import subprocess; subprocess.run(["sleep", "600"])'
    with pytest.raises(CheckFailed, match='did not end in 1 s'):
        processes.run_limited(python(code), 1)


def test_a_program_that_fails_is_quoted():
    code = 'import sys; print("RuntimeError: NCCL error"); print("a table"); sys.exit(1)'
    with pytest.raises(CheckFailed, match='a process failed: RuntimeError: NCCL error'):
        processes.run_limited(python(code), 60)
    with pytest.raises(CheckFailed, match='a process failed: it printed nothing'):
        processes.run_limited(python('import sys; sys.exit(1)'), 60)


@pytest.mark.parametrize(
    ('changed', 'said'),
    [
        ({'finite': False}, r'1 process\(es\) over nccl: the loss is not finite'),
        ({'apart': 0.25}, r'weights part by 2\.5e-01'),
        ({}, None),
    ],
)
def test_what_the_processes_found_is_judged(monkeypatch, changed, said):
    printed = f'noise\n{processes.MARK}{json.dumps(RESULT | changed)}\n'
    monkeypatch.setattr(processes, 'run_limited', lambda *_: printed)
    if said:
        with pytest.raises(CheckFailed, match=said):
            processes.check_processes(Settings('cpu'))
    else:
        assert 'all have the same weights' in processes.check_processes(Settings('cpu')).sentence


def test_processes_without_a_result(monkeypatch):
    monkeypatch.setattr(processes, 'run_limited', lambda *_: 'noise\n')
    with pytest.raises(CheckFailed, match='ended without a result: noise'):
        processes.check_processes(Settings('cpu'))


def test_two_steps_in_one_process(monkeypatch, tmp_path, capsys):
    for name, value in {'RANK': '0', 'WORLD_SIZE': '1', 'LOCAL_RANK': '0'}.items():
        monkeypatch.setenv(name, value)
    start = processes.dist.init_process_group
    monkeypatch.setattr(
        processes.dist,
        'init_process_group',
        lambda backend: start(backend, f'file://{tmp_path}/meeting', rank=0, world_size=1),
    )
    processes.main(['--device', 'cpu'])
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith(processes.MARK)]
    found = json.loads(line.removeprefix(processes.MARK))
    assert found.pop('ms') > 0
    assert found == {
        'what': 'two steps',
        'backend': 'gloo',
        'processes': 1,
        'finite': True,
        'apart': 0.0,
    }
