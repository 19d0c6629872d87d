"""Several runs side by side, each stood in for by a process of some milliseconds."""

import io
import json
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from rich.console import Console

from mmseg_contrast.tooling.benchmark import schedule
from mmseg_contrast.tooling.benchmark.one_run import Folders
from mmseg_contrast.tooling.benchmark.results import write_result
from mmseg_contrast.tooling.benchmark.schedule import BUSY, Schedule, starter, steps_done


def fake_run(name, steps=10):
    stage = SimpleNamespace(train_cfg=SimpleNamespace(max_iters=steps))
    return SimpleNamespace(name=name, steps=steps, config_hash='x', configs={'train': stage})


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(schedule, 'LOOK', 0.01)
    monkeypatch.setattr(schedule, 'RETRY', 0.05)


@pytest.fixture
def folders(tmp_path):
    return Folders(tmp_path / 'work', tmp_path / 'results')


class Processes:
    """Starts processes that end with given codes, and notes which run beside each other."""

    def __init__(self, folders, codes):
        self.folders, self.codes = folders, {name: list(each) for name, each in codes.items()}
        self.started, self.alive, self.most = [], [], 0

    def __call__(self, run, place, log):
        self.started.append((run.name, place))
        code = self.codes[run.name].pop(0)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text('\n'.join(f'line {number}' for number in range(30)))
        if code == 0:
            values = {'config_hash': 'x', 'branch': 'student', 'minutes': 2.0}
            values['student'] = {'last': 51.234}
            write_result(self.folders.result(run), values)
        process = subprocess.Popen([sys.executable, '-S', '-c', f'raise SystemExit({code})'])
        self.alive = [each for each in self.alive if each.poll() is None] + [process]
        self.most = max(self.most, len(self.alive))
        return process


def run_all(folders, codes, jobs=1, already=()):
    runs = [fake_run(name) for name in codes]
    processes = Processes(folders, codes)
    for run in runs:
        if run.name in already:
            write_result(folders.result(run), {'config_hash': 'x'})
    out = io.StringIO()
    console = Console(file=out, width=200)
    failed = Schedule(runs, folders, jobs, processes, console).run()
    return [run.name for run in failed], processes, out.getvalue()


def test_runs_start_in_their_order_and_some_at_a_time(folders):
    codes = {name: [0] for name in 'abcde'}
    failed, processes, said = run_all(folders, codes, jobs=2)
    assert failed == []
    assert [name for name, _ in processes.started] == list('abcde')
    assert processes.started[:2] == [('a', 0), ('b', 1)]
    assert processes.most == 2
    assert 'a: mIoU 51.23, 2.0 minutes; ' in said
    assert '5 of 5 runs, 0 minutes left' in said


def test_one_that_fails_is_told_and_the_others_go_on(folders):
    failed, processes, said = run_all(folders, {'a': [0], 'b': [3], 'c': [0]})
    assert failed == ['b']
    assert [name for name, _ in processes.started] == ['a', 'b', 'c']
    assert 'b: failed with code 3; the end of' in said
    assert 'line 29' in said
    assert 'line 14\n' not in said


def test_one_that_ends_well_without_a_result_has_failed(folders, monkeypatch):
    monkeypatch.setattr(schedule, 'is_finished', lambda *_: False)
    failed, _, _ = run_all(folders, {'a': [0]})
    assert failed == ['a']


def test_what_another_process_works_on_is_tried_again_last(folders):
    failed, processes, said = run_all(folders, {'a': [BUSY, BUSY, 0], 'b': [0]})
    assert failed == []
    assert [name for name, _ in processes.started] == ['a', 'b', 'a', 'a']
    assert 'a: another process is at work on it' in said


def test_what_another_process_has_finished_is_not_started(folders):
    failed, processes, said = run_all(folders, {'a': [0], 'b': [0]}, already='b')
    assert failed == []
    assert [name for name, _ in processes.started] == ['a']
    assert 'b: finished by another process' in said


def test_an_interruption_ends_the_processes(folders):
    started = []

    def start(run, place, log):
        started.append(
            subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)'])
        )
        return started[-1]

    def interrupted(*_):
        raise KeyboardInterrupt

    plan = Schedule([fake_run('a')], folders, 1, start, Console(file=io.StringIO()))
    plan._remaining = interrupted
    with pytest.raises(KeyboardInterrupt):
        plan.run()
    assert started[0].poll() is not None


def test_steps_are_read_from_the_logs_of_all_stages(folders):
    stage = SimpleNamespace(train_cfg=SimpleNamespace(max_iters=100))
    run = SimpleNamespace(name='a', configs={'pretrain': stage, 'finetune': stage})
    assert steps_done(run, folders) == 0
    for name, lines in (
        ('pretrain', [{'step': 50}, {'step': 100}]),
        ('finetune', [{'step': 20}, {'step': 40}]),
    ):
        log = folders.work / 'a' / name / '1' / 'vis_data' / 'scalars.json'
        log.parent.mkdir(parents=True)
        log.write_text(''.join(json.dumps(line) + '\n' for line in lines) + '{"cut off')
    assert steps_done(run, folders) == 140


@pytest.mark.parametrize(
    ('gpus', 'place', 'expected'), [(0, 1, 'one thread'), (2, 0, '4'), (2, 1, '7'), (2, 2, '4')]
)
def test_a_process_has_one_thread_or_one_gpu(tmp_path, monkeypatch, gpus, place, expected):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '4,7')
    monkeypatch.setenv('OMP_NUM_THREADS', '5')
    code = 'import os, sys; print(sys.argv[1], *map(os.environ.get, sys.argv[2:4]))'
    script = tmp_path / 'script.py'
    script.write_text(code.replace('sys.argv[1],', 'sys.argv[3],').replace('[2:4]', '[1:3]'))
    start = starter([str(script), 'OMP_NUM_THREADS', 'CUDA_VISIBLE_DEVICES'], gpus)
    log = tmp_path / 'logs' / 'a.log'
    assert start(fake_run('a'), place, log).wait() == 0
    assert log.read_text() == ('a 1 4,7\n' if expected == 'one thread' else f'a 5 {expected}\n')


def test_the_rest_is_estimated_by_the_pace_so_far(folders, monkeypatch):
    plan = Schedule([], folders, 1, None, Console(file=io.StringIO()))
    plan._begin = time.time() - 600
    plan._steps = {'a': 1000, 'b': 1000}
    plan._at_begin = {'a': 400, 'b': 0}
    plan._done = {'a': 500, 'b': 0}
    # 100 steps in 10 minutes, and 1,500 are left
    assert plan._remaining() == '2.5 hours'
    plan._done['a'] = 1000
    assert plan._remaining() == '17 minutes'
    plan._done = dict(plan._at_begin)
    assert plan._remaining() == 'an unknown time'
