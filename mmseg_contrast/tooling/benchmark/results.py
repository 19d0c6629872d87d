"""The files that a finished run leaves: what it gave, its counts and its scalars."""

from __future__ import annotations

import csv
import io
import json
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from ...files import write_file
from ...scalars import find_scalars, read_scalars
from .counts import ConfusionCounts, load_counts

#: The repository, where the code that ran is looked up.
ROOT = Path(__file__).parents[3]
# What training and validation log under one name.
_OF_VALIDATION = {'time', 'data_time', 'memory'}


@dataclass(frozen=True)
class Result:
    """What a finished run gave.

    Attributes:
        path (Path): Its JSON file.
        values (Mapping[str, Any]): Content of the file.
    """

    path: Path
    values: Mapping[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    @property
    def group(self) -> tuple[str, int | str, str]:
        """Data set, number of labels and net."""
        return self['data'], self['labels'], self['net']

    def last(self, branch: str | None = None) -> float | None:
        """Return the mIoU of the last checkpoint in percent, or None where there is no such branch.

        Args:
            branch (str, optional): Defaults to None: the one that the config predicts with.
        """
        return self.values.get(branch or self['branch'], {}).get('last')

    @cached_property
    def counts(self) -> dict[str, ConfusionCounts]:
        """Confusion counts of each validation image, by branch."""
        return load_counts(self.path.with_suffix('.npz'))


def result_path(folder: Path, run: str) -> Path:
    """Return the JSON file of a run; counts and scalars stand beside it as ``.npz`` and ``.csv``.

    Args:
        folder (Path): Folder of the results.
        run (str): Name of the run.
    """
    return folder / f'{run}.json'


def read_result(path: Path) -> Result | None:
    """Read the result of a run, or return None where it has not finished.

    Args:
        path (Path): Its JSON file.
    """
    if not path.is_file():
        return None
    return Result(path, json.loads(path.read_text(encoding='utf-8')))


def logged(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Return what was logged in the training of all stages, one entry a step.

    What was done again after an interruption counts once, as it was done last.

    Args:
        folders (Sequence[Path]): Work folder of each stage.

    Returns:
        list[dict[str, Any]]: Scalars with the index of their ``stage`` and their ``step``, in order.
    """
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for stage, folder in enumerate(folders):
        for log in find_scalars(folder):
            for scalars in read_scalars(log):
                if 'step' not in scalars:
                    continue
                if 'loss' not in scalars:  # of a validation, which logs its own times
                    scalars = {k: v for k, v in scalars.items() if k not in _OF_VALIDATION}
                found.setdefault((stage, scalars['step']), {}).update(scalars)
    return [{'stage': stage, **found[stage, step]} for stage, step in sorted(found)]


def minutes_of(entries: Iterable[Mapping[str, Any]]) -> float:
    """Return how long the training took, by the logged time of a step; validations do not count.

    Args:
        entries (Iterable[Mapping[str, Any]]): As :func:`logged` returns them.
    """
    seconds, last = 0.0, (0, 0)
    for entry in entries:
        if 'loss' not in entry:
            continue
        begin = last[1] if last[0] == entry['stage'] else 0
        seconds += entry['time'] * (entry['step'] - begin)
        last = entry['stage'], entry['step']
    return seconds / 60


def best_of(entries: Iterable[Mapping[str, Any]], branch: str, last: float) -> float:
    """Return the best mIoU of all validations.

    Args:
        entries (Iterable[Mapping[str, Any]]): As :func:`logged` returns them.
        branch (str): Student or teacher.
        last (float): The mIoU of the last checkpoint.
    """
    keys = ('mIoU', 'student/mIoU') if branch == 'student' else ('teacher/mIoU',)
    return max([last, *(entry[key] for entry in entries for key in keys if key in entry)])


def coverage_of(entries: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the share of unlabelled pixels that taught, over the last tenth of the training.

    Args:
        entries (Sequence[Mapping[str, Any]]): As :func:`logged` returns them.
    """
    found = [
        (entry['step'], value)
        for entry in entries
        for key, value in entry.items()
        if key.endswith('coverage')
    ]
    late = [value for step, value in found if step >= 0.9 * found[-1][0]]
    return float(np.mean(late)) if late else None


def scalars_table(entries: Sequence[Mapping[str, Any]]) -> str:
    """Return all scalars as CSV, one line a step, numbers with four digits.

    Args:
        entries (Sequence[Mapping[str, Any]]): As :func:`logged` returns them.
    """
    columns = dict.fromkeys(
        key for entry in entries for key in entry if key not in ('iter', 'epoch', 'stage')
    )
    columns = ['stage', *sorted(columns, key=lambda key: (key != 'step', '/' in key))]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator='\n', extrasaction='ignore')
    writer.writeheader()
    for entry in entries:
        writer.writerow({k: f'{v:.4g}' if isinstance(v, float) else v for k, v in entry.items()})
    return text.getvalue()


def device_name() -> str:
    """Return the name of the GPU, or of the processor."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    try:
        lines = Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
    except OSError:
        lines = []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or platform.machine()


def commit() -> str | None:
    """Return the commit of this code, with '+' where files were changed; None outside of a clone."""
    try:
        found = subprocess.run(
            ['git', '-C', str(ROOT), 'describe', '--always', '--abbrev=12', '--dirty=+'],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def labeled_per_step(cfg: Config) -> int:
    """Return how many labelled images a step takes.

    Args:
        cfg (Config): Config of a stage, whose labelled images are the first source.
    """
    loader = cfg.train_dataloader
    ratio = (loader.get('sampler') or {}).get('source_ratio') or [1]
    return round(loader.batch_size * ratio[0] / sum(ratio))


def remove_result(path: Path) -> None:
    """Delete the files of a result; the one that says that the run has finished goes first.

    Args:
        path (Path): Its JSON file.
    """
    for suffix in ('.json', '.npz', '.csv'):
        path.with_suffix(suffix).unlink(missing_ok=True)


def write_result(path: Path, values: Mapping[str, Any]) -> None:
    """Write the JSON file of a result, in lines that a person can read and compare.

    Args:
        path (Path): The file.
        values (Mapping[str, Any]): Its content, at least what :class:`Result` reads.
    """
    lines = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            inner = ',\n'.join(f'  {_json(k)}: {_json(v)}' for k, v in value.items())
            lines.append(f' {_json(key)}: {{\n{inner}\n }}')
        else:
            lines.append(f' {_json(key)}: {_json(value)}')
    write_file(path, '{\n' + ',\n'.join(lines) + '\n}\n')


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
