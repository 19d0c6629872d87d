"""The command ``mmseg-contrast``: the tools of the package, from any folder.

Nothing heavy is imported here, so that help comes at once and ``doctor`` works with a broken stack.
"""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from ..version import __version__
from .package_files import folder_of

DOCTOR = 'mmseg_contrast.tooling.collect_env'


@dataclass(frozen=True)
class Command:
    """A tool under a short name.

    Attributes:
        tool (str): Its path below ``tools``, or the name of a module.
        what (str): What it does.
    """

    tool: str
    what: str


COMMANDS = {
    'init': Command('init_project.py', 'make a project of a folder of photos and one of masks'),
    'train': Command('train.py', 'train a config'),
    'test': Command('test.py', 'score a checkpoint'),
    'compare': Command('compare.py', 'train several configs on the same data; one table'),
    'benchmark': Command('benchmark.py', 'train and measure the runs of a benchmark file'),
    'pseudo-label': Command('pseudo_label.py', 'write masks for photos without any'),
    'report': Command('report.py', 'show what a training did, as one HTML file'),
    'doctor': Command(DOCTOR, 'say what is installed, and how to mend what does not work'),
}


def usage() -> str:
    """Return the list of the commands."""
    width = max(map(len, COMMANDS))
    lines = [f'  {name:<{width}}  {command.what}' for name, command in COMMANDS.items()]
    return '\n'.join(
        [
            'usage: mmseg-contrast COMMAND ...',
            '',
            *lines,
            '',
            'mmseg-contrast COMMAND --help tells more. Configs are paths, or names of the package:',
            '  mmseg-contrast train c3semiseg_mosaic',
        ]
    )


def command_line(arguments: Sequence[str]) -> list[str]:
    """Return what to run for a command of the user.

    Args:
        arguments (Sequence[str]): The command and its arguments.

    Returns:
        list[str]: Program and arguments.

    Raises:
        SystemExit: With one sentence, if there is no such command, or its tool is missing.
    """
    name, *rest = arguments
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        remedy = f'did you mean {near[0]}?' if near else f'give one of {", ".join(COMMANDS)}.'
        sys.exit(f'mmseg-contrast: there is no command {name}; {remedy}')
    tool = COMMANDS[name].tool
    # `python -X dev` shows tracebacks, in the tool too.
    start = [sys.executable, *(['-X', 'dev'] if sys.flags.dev_mode else [])]
    if not tool.endswith('.py'):
        return [*start, '-m', tool, *rest]
    path = folder_of('tools') / tool
    if not path.is_file():
        sys.exit(f'mmseg-contrast {name}: {path} is missing; install a newer mmseg_contrast.')
    return [*start, str(path), *rest]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a tool in the place of this process.

    Args:
        arguments (Sequence[str], optional): The command line. Defaults to None: that of the process.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ('-h', '--help', 'help'):
        print(usage())
        return
    if arguments[0] in ('-V', '--version'):
        print(f'mmseg_contrast {__version__}')
        return
    command = command_line(arguments)
    sys.stdout.flush()
    if os.name == 'nt':
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)


if __name__ == '__main__':
    main()
