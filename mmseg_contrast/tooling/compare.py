"""Results of several runs, side by side."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..datasets.files import read_list
from ..scalars import find_scalars, read_scalars
from ..structures.step import BRANCHES
from .cli import leaf_datasets
from .comparison_runs import list_path


@dataclass(frozen=True)
class RunResult:
    """What one finished run gave.

    Attributes:
        name (str): Name of the config.
        seed (int): Seed of the run.
        iteration (int): Iteration of the validation, which is the run's last.
        scores (Mapping[str, float]): mIoU in percent by branch; a plain model has only 'student'.
        best (Mapping[str, float]): The same of each branch's best validation.
        fold (int | None): Fold of its label lists; None for those that the config names.
    """

    name: str
    seed: int
    iteration: int
    scores: Mapping[str, float]
    best: Mapping[str, float]
    fold: int | None = None


def read_result(
    work_dir: Path, name: str, seed: int, iteration: int, fold: int | None = None
) -> RunResult | None:
    """Read a run's validations from its logs.

    Args:
        work_dir (Path): Work folder of the run.
        name (str): Name of the config.
        seed (int): Seed of the run.
        iteration (int): Last iteration.
        fold (int, optional): Fold of its label lists.

    Returns:
        RunResult | None: None where the run has not come so far.
    """
    # By iteration: what was validated again after an interruption counts once.
    found: dict[int, dict[str, float]] = {}
    for log in find_scalars(work_dir):
        for scalars in read_scalars(log):
            step = scalars.get('step')
            if 'mIoU' in scalars:
                found[step] = {'student': scalars['mIoU']}
            elif 'student/mIoU' in scalars:
                found[step] = {branch: scalars[f'{branch}/mIoU'] for branch in BRANCHES}
    if iteration not in found:
        return None
    last = found[iteration]
    until = [scores for step, scores in found.items() if step <= iteration]
    best = {branch: max(scores.get(branch, 0.0) for scores in until) for branch in last}
    return RunResult(name, seed, iteration, last, best, fold)


def count_labeled(cfg: Mapping[str, Any]) -> str:
    """Return how many labelled images a config trains on, or 'all' where it has no list.

    Args:
        cfg (Mapping[str, Any]): The config.
    """
    labeled = next(leaf_datasets(cfg['train_dataloader']['dataset']), {})
    return str(len(read_list(list_path(labeled)))) if labeled.get('ann_file') else 'all'


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
        list[list[str]]: Two rows a config, of the last and of the best validations, with the columns of
        :data:`HEADER`. A gain is that over the baseline's student, last over last and best over best.
    """
    by_name = {name: [r for r in results if r.name == name] for name in names}

    def cell(name: str, branch: str, which: str) -> str:
        own = [getattr(r, which)[branch] for r in by_name[name] if branch in r.scores]
        base = [getattr(r, which)['student'] for r in by_name[names[0]]]
        if not (own and base) or name == names[0]:
            return mean_and_spread(own)
        return f'{mean_and_spread(own)} ({statistics.fmean(own) - statistics.fmean(base):+.2f})'

    return [
        [
            name,
            labels[name],
            _listed(result.fold for result in by_name[name]),
            _listed(result.seed for result in by_name[name]),
            title,
            *(cell(name, branch, which) for branch in BRANCHES),
        ]
        for name in names
        for title, which in (('last', 'scores'), ('best', 'best'))
    ]


def _listed(values: Iterable[int | None]) -> str:
    return ' '.join(str(value) for value in dict.fromkeys(values) if value is not None) or '-'


HEADER = ('config', 'labels', 'folds', 'seeds', 'validation', *BRANCHES)


def to_markdown(rows: Sequence[Sequence[str]]) -> str:
    """Format rows as a Markdown table with :data:`HEADER`.

    Args:
        rows (Sequence[Sequence[str]]): Rows of :func:`tabulate`.
    """
    lines = [HEADER, ['---'] * len(HEADER), *rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines) + '\n'
