import subprocess
import sys
from pathlib import Path

import pytest

from mmseg_contrast.stack import installed_versions
from mmseg_contrast.tooling import collect_env

ROOT = Path(__file__).parents[2]


def test_this_environment_can_train():
    findings = {f.part: f for f in collect_env.examine(installed_versions())}
    assert not [f for f in findings.values() if f.state == 'broken']
    assert findings['operations'].value.startswith('convolution, cross-entropy and gradient')
    assert int(findings['components'].value.split()[0]) > 5


@pytest.mark.parametrize(
    ('versions', 'remedy'),
    [
        ({}, 'pip install torch==2.13.0'),
        ({'torch': '2.13.0', 'mmcv': '2.1.0', 'onedl-mmcv': '2.3.6'}, 'pip uninstall -y'),
    ],
)
def test_a_broken_stack_is_explained(monkeypatch, capsys, versions, remedy):
    monkeypatch.setattr(collect_env, 'installed_versions', lambda: versions)
    assert collect_env.main() == 1
    printed = capsys.readouterr().out
    assert f'stack (broken): {remedy}' in printed
    assert printed.endswith('Training cannot work yet.\n')


def test_an_import_that_fails_is_a_finding():
    def look():
        raise OSError('libtorch.so:\n cannot open')

    finding = collect_env.attempt('device', look, 'pip install torch')
    assert (finding.state, finding.value) == ('broken', 'OSError: libtorch.so: cannot open')
    assert finding.remedy == 'pip install torch'


def test_the_doctor_runs_where_no_package_at_all_is_installed():
    # -S leaves site-packages out: no torch, no stack, no rich
    done = subprocess.run(
        [sys.executable, '-S', '-m', 'mmseg_contrast.tooling.collect_env'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={'PATH': ''},
    )
    assert done.returncode == 1, done.stderr
    assert 'stack (broken): pip install torch==2.13.0' in done.stdout
