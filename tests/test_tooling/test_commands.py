import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mmseg_contrast
from mmseg_contrast.tooling import commands
from mmseg_contrast.tooling.commands import COMMANDS, command_line, main, usage

REPO = Path(__file__).parents[2]


def run(*arguments, cwd):
    return subprocess.run(
        [sys.executable, '-m', 'mmseg_contrast.tooling.commands', *arguments],
        cwd=cwd,
        env={**os.environ, 'PYTHONPATH': str(REPO)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_commands():
    assert list(COMMANDS) == [
        'init',
        'train',
        'test',
        'compare',
        'benchmark',
        'pseudo-label',
        'report',
        'doctor',
    ]
    for name in COMMANDS:
        assert re.search(rf'^  {name} +\w', usage(), re.MULTILINE)


@pytest.mark.parametrize('argv', [[], ['-h'], ['--help'], ['help']])
def test_help(argv, capsys):
    main(argv)
    assert capsys.readouterr().out == usage() + '\n'


def test_version(capsys):
    main(['--version'])
    assert capsys.readouterr().out == f'mmseg_contrast {mmseg_contrast.__version__}\n'


def test_what_a_command_runs():
    assert command_line(['train', 'c3semiseg_mosaic', '--resume']) == [
        sys.executable,
        str(REPO / 'tools/train.py'),
        'c3semiseg_mosaic',
        '--resume',
    ]
    assert command_line(['doctor']) == [
        sys.executable,
        '-m',
        'mmseg_contrast.tooling.collect_env',
    ]


@pytest.mark.parametrize(
    ('argv', 'said'),
    [
        (['trian'], 'mmseg-contrast: there is no command trian; did you mean train?'),
        (['xyz'], 'there is no command xyz; give one of init, train, test, compare'),
        (['lost'], '/tools/gone.py is missing; install a newer mmseg_contrast.'),
    ],
)
def test_what_cannot_be_run(argv, said, monkeypatch):
    monkeypatch.setitem(COMMANDS, 'lost', commands.Command('gone.py', 'is not there'))
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert said in caught.value.code and '\n' not in caught.value.code


def test_a_config_by_name_from_any_folder(tmp_path):
    """The tool is started, finds the config, and tells what is missing here; its exit code stays."""
    done = run('train', 'c3semiseg_mosaic', cwd=tmp_path)
    assert done.returncode == 1
    assert 'data/mosaic' in done.stderr and 'does not exist' in done.stderr


def test_with_a_broken_stack(tmp_path):
    """Help and the doctor are there to help; they import nothing that may be missing."""
    (tmp_path / 'mmseg.py').write_text('raise ImportError("broken")')
    (tmp_path / 'torch.py').write_text('raise ImportError("broken")')
    env = {**os.environ, 'PYTHONPATH': f'{tmp_path}{os.pathsep}{REPO}'}
    module = [sys.executable, '-m', 'mmseg_contrast.tooling.commands']
    for argv, out in ((['--help'], 'usage: mmseg-contrast'), (['doctor'], 'Training cannot work')):
        done = subprocess.run(
            [*module, *argv], env=env, capture_output=True, text=True, timeout=120
        )
        assert out in done.stdout, done.stderr


def test_the_package_installs_the_command():
    assert (
        'mmseg-contrast = mmseg_contrast.tooling.commands:main' in (REPO / 'setup.py').read_text()
    )
