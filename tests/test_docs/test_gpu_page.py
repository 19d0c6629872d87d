"""The page on checking a card: its commands are read by their tool, and its checks exist."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from mmseg_contrast.tooling.gpu_check.all_checks import all_checks

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / 'docs' / 'gpu.md').read_text(encoding='utf-8')
COMMANDS = [
    shlex.split(line, comments=True)
    for block in re.findall(r'```bash\n(.*?)```', TEXT, re.DOTALL)
    for line in block.splitlines()
]
GROUPS = re.findall(r'^\| `([a-z0-9]+)(?:/[A-Z-]+)?`', TEXT, re.MULTILINE)


def tool():
    path = ROOT / 'tools' / 'analysis_tools' / 'check_gpu.py'
    spec = importlib.util.spec_from_file_location('check_gpu', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('command', COMMANDS, ids=' '.join)
def test_commands_are_read(command):
    program, path, *arguments = command
    assert program in ('bash', 'python') and (ROOT / path).is_file()
    module = tool()
    args = module.parse_args(arguments)
    module.chosen_checks(args.only, args.tune)  # raises where a name is unknown


def test_each_kind_of_check_is_explained():
    kinds = list(dict.fromkeys(check.name.split('/')[0] for check in all_checks(tune=True)))
    assert sorted(set(GROUPS)) == sorted(kinds)
