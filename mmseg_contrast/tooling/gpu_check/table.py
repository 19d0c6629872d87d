"""A card's file as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .check import FAILED, PASSED, SKIPPED

_COLOURS = {PASSED: 'green', FAILED: 'red', SKIPPED: 'yellow'}
_STEP = {
    'images': lambda f: f'{f["labeled"]} + {f["unlabeled"]}{" (halved)" if f["halved"] else ""}',
    'size': lambda f: f'{f["height"]}x{f["width"]}',
    'precision': lambda f: f['what'],
    'ms': lambda f: _number(f.get('ms')),
    'contrast': lambda f: _percent(f.get('contrast_share')),
    'launches': lambda f: _number(f.get('launches')),
    'peak MiB': lambda f: _number(f.get('peak_mib')),
}


def print_record(record: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the checks, the figures of the steps, and those of the kernels.

    Args:
        record (Mapping[str, Any]): From :func:`mmseg_contrast.tooling.gpu_check.record.read_record`.
        console (Console, optional): Where to. Defaults to the terminal.
    """
    console = console or Console(width=max(125, Console().width))
    checks = record['checks']
    table = Table('check', 'state', 's', 'what it says', title=_title(record))
    for check in checks:
        colour = _COLOURS[check['state']]
        state = f'[{colour}]{check["state"]}[/]'
        table.add_row(check['name'], state, f'{check["seconds"]:.0f}', escape(check['said']))
    console.print(table)
    if not record['dry']:
        steps = [(c['name'], f) for c in checks for f in c['figures'] if 'peak_mib' in f]
        kernels = [(c['name'], f) for c in checks for f in c['figures'] if 'mib' in f]
        if steps:
            rows = [[name, *(cell(f) for cell in _STEP.values())] for name, f in steps]
            _print(console, 'Training steps', ['step', *_STEP], rows)
        if kernels:
            rows = [[f['what'], _number(f['ms'], 2), _number(f['mib'], 1)] for _, f in kernels]
            _print(console, 'Kernels', ['kernel', 'ms', 'MiB'], rows)
    console.print(last_sentence(record))


def last_sentence(record: Mapping[str, Any]) -> str:
    """Say how it went in all.

    Args:
        record (Mapping[str, Any]): As above.
    """
    states = [check['state'] for check in record['checks']]
    said = ', '.join(f'{states.count(state)} {state}' for state in _COLOURS)
    if record['dry']:
        said += '. The figures are missing: this was a dry run on the CPU'
    return f'{said}.'


def _title(record: Mapping[str, Any]) -> str:
    known = record['environment']
    memory = f', {known["memory_gib"]} GiB' if 'memory_gib' in known else ''
    return f'{record["card"]}{memory}, torch {known.get("torch")}, {record["seconds"]:.0f} s'


def _print(
    console: Console, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    table = Table(title=title)
    for i, column in enumerate(header):
        table.add_column(column, justify='right' if i else 'left')
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _number(value: float | str | None, digits: int = 0) -> str:
    if isinstance(value, str):  # what JSON has no number for
        return value
    return '-' if value is None else f'{value:,.{digits}f}'


def _percent(value: float | None) -> str:
    return '-' if value is None else f'{100 * value:.1f} %'
