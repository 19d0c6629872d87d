"""Results of several runs, side by side."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .scalars import find_scalars, read_scalars

BRANCHES = ('student', 'teacher')


@dataclass(frozen=True)
class RunResult:
    """What one finished run gave.

    Attributes:
        name (str): Name of the config.
        seed (int): Seed of the run.
        iteration (int): Iteration of the validation, which is the run's last.
        scores (Mapping[str, float]): mIoU in percent by branch; a plain model has only 'student'.
    """

    name: str
    seed: int
    iteration: int
    scores: Mapping[str, float]


def read_result(work_dir: Path, name: str, seed: int, iteration: int) -> RunResult | None:
    """Read a run's validation at its last iteration from its logs.

    Args:
        work_dir (Path): Work folder of the run.
        name (str): Name of the config.
        seed (int): Seed of the run.
        iteration (int): Last iteration.

    Returns:
        RunResult | None: None where the run has not come so far.
    """
    found: dict[str, float] = {}
    for log in find_scalars(work_dir):
        for scalars in read_scalars(log):
            if scalars.get('step') != iteration:
                continue
            if 'mIoU' in scalars:
                found = {'student': scalars['mIoU']}
            elif 'student/mIoU' in scalars:
                found = {branch: scalars[f'{branch}/mIoU'] for branch in BRANCHES}
    return RunResult(name, seed, iteration, found) if found else None


def count_labeled(cfg: Mapping[str, Any]) -> str:
    """Return how many labelled images a config trains on, or 'all' where it has no list.

    Args:
        cfg (Mapping[str, Any]): The config.
    """
    dataset = cfg['train_dataloader']['dataset']
    labeled = dataset['datasets'][0] if 'datasets' in dataset else dataset
    listed = labeled.get('ann_file')
    if not listed:
        return 'all'
    lines = Path(listed).read_text(encoding='utf-8').split('\n')
    return str(sum(bool(line.strip()) for line in lines))


def mean_and_spread(values: Iterable[float]) -> str:
    """Format the mean, with the sample standard deviation where there are several values.

    Args:
        values (Iterable[float]): The values; may be empty.
    """
    values = list(values)
    if not values:
        return '-'
    mean = f'{statistics.fmean(values):.2f}'
    return mean if len(values) == 1 else f'{mean} ± {statistics.stdev(values):.2f}'


def tabulate(
    results: Sequence[RunResult], labels: Mapping[str, str], names: Sequence[str]
) -> list[list[str]]:
    """Make the rows of the comparison; the first config is the baseline of the gains.

    Args:
        results (Sequence[RunResult]): Finished runs.
        labels (Mapping[str, str]): Number of labelled images by config.
        names (Sequence[str]): Configs in the order of the rows.

    Returns:
        list[list[str]]: Config, labelled images, seeds, mIoU of student and teacher, and the gain
        of either over the baseline's student.
    """
    by_name = {name: [r for r in results if r.name == name] for name in names}

    def values(name: str, branch: str) -> list[float]:
        return [r.scores[branch] for r in by_name[name] if branch in r.scores]

    base = values(names[0], 'student')
    rows = []
    for name in names:
        gains = []
        for branch in BRANCHES:
            own = values(name, branch)
            if base and own and name != names[0]:
                gains.append(f'{statistics.fmean(own) - statistics.fmean(base):+.2f}')
            else:
                gains.append('')
        rows.append(
            [
                name,
                labels[name],
                ' '.join(str(r.seed) for r in by_name[name]) or '-',
                mean_and_spread(values(name, 'student')),
                gains[0],
                mean_and_spread(values(name, 'teacher')),
                gains[1],
            ]
        )
    return rows


HEADER = ('config', 'labels', 'seeds', 'mIoU student', 'gain', 'mIoU teacher', 'gain')


def to_markdown(rows: Sequence[Sequence[str]]) -> str:
    """Format rows as a Markdown table with :data:`HEADER`.

    Args:
        rows (Sequence[Sequence[str]]): Rows of :func:`tabulate`.
    """
    lines = [HEADER, ['---'] * len(HEADER), *rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines) + '\n'
