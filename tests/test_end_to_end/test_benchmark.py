"""A run of a benchmark that was killed goes on, and ends with the result of one that was not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
sys.path.insert(0, str(REPO / 'tests'))

from tiny_benchmark import write_project  # noqa: E402

RUN = 'fixmatch_tiny_mosaic-2_seed0'
STEPS = 60


@pytest.fixture
def root(tmp_path):
    write_project(tmp_path)
    file = tmp_path / 'tiny.py'
    options = f"options = {{'max_iters': {STEPS}, 'default_hooks.checkpoint.interval': 20}}\n"
    file.write_text(file.read_text() + options)
    return tmp_path


def start(root, *arguments):
    return subprocess.Popen(
        [sys.executable, str(REPO / 'tools/benchmark.py'), 'tiny.py', *arguments],
        cwd=root,
        env={**os.environ, 'PYTHONPATH': str(REPO)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def result(folder):
    values = json.loads((folder / f'{RUN}.json').read_text())
    # what two runs do not share
    return {k: v for k, v in values.items() if k not in ('minutes', 'memory_mib')}


def test_a_killed_run_goes_on_to_the_same_result(root):
    whole = start(root, '--run', RUN, '--work-dir', 'whole', '--results', 'whole_results')
    said = whole.communicate()[0]
    assert whole.returncode == 0, said

    killed = start(root, '--only', RUN, '--keep-checkpoints')
    folder = root / 'work_dirs' / 'tiny' / RUN
    while not list(folder.glob('iter_*.pth')):
        assert killed.poll() is None, killed.stdout.read()
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (root / 'results').exists()
    resumed = start(root, '--only', RUN, '--keep-checkpoints')
    said = resumed.communicate()[0]
    assert resumed.returncode == 0, said
    assert '1 of 1 runs, 0 minutes left' in said
    assert result(root / 'results' / 'tiny') == result(root / 'whole_results')
    # the logs of both starts, and a training that began where the first was killed
    logs = sorted(folder.glob('*/vis_data/scalars.json'))
    first = [json.loads(log.read_text().splitlines()[0])['step'] for log in logs]
    assert len(first) == 2
    assert first[1] > 20
    counts = [folder / f'{RUN}.npz' for folder in (root / 'results/tiny', root / 'whole_results')]
    assert counts[0].read_bytes() == counts[1].read_bytes()
