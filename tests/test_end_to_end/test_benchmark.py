"""A run of a benchmark that was killed goes on, and ends with the result of one that was not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

REPO = Path(__file__).parents[2]
sys.path.insert(0, str(REPO / 'tests'))

import tiny_benchmark  # noqa: E402

from mmseg_contrast.run_folder import locked  # noqa: E402
from mmseg_contrast.tooling.benchmark.one_run import Folders, complete  # noqa: E402
from mmseg_contrast.tooling.benchmark.plan import read_benchmark  # noqa: E402

RUN = 'fixmatch_tiny_mosaic-2_seed0'
STEPS = 60


def result(folder):
    values = json.loads((folder / f'{RUN}.json').read_text())
    # what two runs need not share, also while somebody works on the code
    own = ('minutes', 'memory_mib', 'commits', 'code')
    return {k: v for k, v in values.items() if k not in own}


def test_a_killed_run_goes_on_to_the_same_result(project, tmp_path, monkeypatch):
    tiny_benchmark.write_project(tmp_path)
    file = tmp_path / 'tiny.py'
    options = f"options = {{'max_iters': {STEPS}, 'default_hooks.checkpoint.interval': 20}}\n"
    file.write_text(file.read_text() + options)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(project, 'root', tmp_path)
    [run] = read_benchmark(file).matching([RUN])
    complete(run, Folders(tmp_path / 'whole', tmp_path / 'whole_results'), project.ours)

    killed = subprocess.Popen(
        [sys.executable, str(REPO / 'tools/benchmark.py'), 'tiny.py', '--only', RUN],
        env={**os.environ, 'PYTHONPATH': str(REPO)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    folders = Folders(tmp_path / 'work_dirs' / 'tiny', tmp_path / 'results' / 'tiny')
    # the file that says which checkpoint is whole
    while not list(folders.of(run).glob('last_checkpoint')):
        assert killed.poll() is None, killed.stdout.read()
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not folders.results.exists()
    for _ in range(1000):  # until the kernel has ended all of them
        try:
            with locked(folders.of(run)):
                break
        except BlockingIOError:
            time.sleep(0.02)

    complete(run, folders, project.ours)
    assert result(folders.results) == result(tmp_path / 'whole_results')
    counts = [folder / f'{RUN}.npz' for folder in (folders.results, tmp_path / 'whole_results')]
    assert counts[0].read_bytes() == counts[1].read_bytes()
    # the second start went on where the first was killed
    logs = sorted(folders.of(run).glob('*/vis_data/scalars.json'))
    first = [json.loads(log.read_text().splitlines()[0])['step'] for log in logs]
    assert len(first) == 2
    assert first[1] > 20
