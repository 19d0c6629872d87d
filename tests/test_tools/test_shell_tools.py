"""The shell tools say how they are used, and start nothing that was not asked for."""

import shutil
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / 'tools'
NAMES = sorted(path.name for path in TOOLS.glob('*.sh'))
# What they start, which here only writes down its arguments.
STARTED = ('torchrun', 'srun', 'python', 'python3.11')


@pytest.fixture
def shell(tmp_path):
    """Run a shell tool in a project without an environment; return it and what it has started."""
    shutil.copytree(TOOLS, tmp_path / 'tools')
    (tmp_path / 'bin').mkdir()
    for name in STARTED:
        path = tmp_path / 'bin' / name
        path.write_text(f'#!/bin/sh\necho {name} "$@" >> "{tmp_path}/started"\n')
        path.chmod(0o755)

    def run(name, *arguments):
        done = subprocess.run(
            ['bash', f'tools/{name}', *arguments],
            cwd=tmp_path,
            env={'PATH': f'{tmp_path}/bin:/usr/bin:/bin'},
            capture_output=True,
            text=True,
        )
        started = tmp_path / 'started'
        return done, started.read_text() if started.exists() else ''

    return run


@pytest.mark.parametrize('flag', ['-h', '--help'])
@pytest.mark.parametrize('name', NAMES)
def test_help_is_printed_and_nothing_starts(shell, name, flag):
    more = [] if name in ('demo.sh', 'setup_venv.sh') else ['config.py', 'b', 'c', 'd']
    done, started = shell(name, flag, *more)
    assert (done.returncode, started, done.stderr) == (0, '', '')
    assert done.stdout.startswith('usage: ')
    assert f'tools/{name}' in done.stdout


@pytest.mark.parametrize(
    ('name', 'arguments', 'said'),
    [
        ('demo.sh', ['--iters', '5'], 'takes no arguments, and got: --iters 5'),
        ('setup_venv.sh', ['x'], ''),
        ('dist_train.sh', ['config.py', '--resume'], '--resume is no number of processes'),
        ('dist_train.sh', ['config.py', '0'], '0 is no number of processes'),
        ('dist_train.sh', ['config.py'], 'usage: '),
        ('dist_test.sh', ['config.py', 'a.pth', 'b.pth'], 'b.pth is no number of processes'),
        ('dist_test.sh', ['config.py', '4'], 'usage: '),
        ('slurm_train.sh', ['gpu', 'config.py'], 'usage: '),
        ('slurm_test.sh', ['gpu', 'job', 'config.py'], 'usage: '),
    ],
)
def test_what_is_not_meant_is_refused(shell, name, arguments, said):
    done, started = shell(name, *arguments)
    assert (done.returncode, started) == (2, '')
    assert said in done.stderr


def test_the_launchers_pass_everything_on(shell):
    _, started = shell('dist_train.sh', 'config.py', '4', '--resume', '--work-dir', 'a b')
    assert '--nproc-per-node=4' in started
    assert started.endswith('tools/train.py config.py --launcher pytorch --resume --work-dir a b\n')
    _, started = shell('dist_test.sh', 'config.py', 'a.pth', '2', '--tta')
    assert started.endswith('tools/test.py config.py a.pth --launcher pytorch --tta\n')
    _, started = shell('slurm_train.sh', 'gpu', 'job', 'config.py', '--resume')
    assert started.endswith('tools/train.py config.py --launcher slurm --resume\n')


@pytest.mark.parametrize('absolute', [False, True])
def test_the_environment_may_lie_anywhere(tmp_path, absolute):
    shutil.copytree(TOOLS, tmp_path / 'project' / 'tools')
    python = tmp_path / 'project' / 'env' / 'bin' / 'python'
    python.parent.mkdir(parents=True)
    python.touch(0o755)
    (tmp_path / 'project' / 'env' / 'complete').touch()
    where = str(tmp_path / 'project' / 'env') if absolute else 'env'
    done = subprocess.run(
        ['bash', '-c', '. project/tools/setup_venv.sh; command -v python'],
        cwd=tmp_path,
        env={'PATH': '/usr/bin:/bin', 'VENV': where},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(python), done.stderr
