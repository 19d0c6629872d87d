"""Tables of a benchmark's results, and the documents that they stand in."""

from __future__ import annotations

import fnmatch
import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..compare import mean_and_spread
from .gains import Gain, gain_of
from .plan import ALL, Benchmark
from .results import Result, read_result, result_path

GAINS, CLASSES = 'gains', 'classes'
# A place for a table in a document.
_PLACE = re.compile(
    rf'(<!-- benchmark:(\S+) ({GAINS}|{CLASSES})((?: \S+)*) -->\n)(.*?)(<!-- /benchmark -->)',
    re.DOTALL,
)
_HEADER = (
    'method',
    'seeds',
    'student',
    'teacher',
    'best',
    'gain',
    '95 % interval',
    'ECE',
    'minutes',
    'MiB',
)
CHOSEN = 'chosen'


@dataclass(frozen=True)
class Row:
    """The results of a method with a net on some labels of a data set.

    Attributes:
        method (str): Name of the method.
        results (Sequence[Result]): Its results, one a seed.
        baseline (Sequence[Result]): Those of the baseline; empty for the baseline itself.
    """

    method: str
    results: Sequence[Result]
    baseline: Sequence[Result] = ()

    @cached_property
    def gain(self) -> Gain | None:
        """The gain over the baseline, or None where there is nothing to compare with."""
        return gain_of(self.results, self.baseline)

    def numbers(self, key: str, branch: str | None = None) -> list[float]:
        """Return a number of each result that has it.

        Args:
            key (str): Key of the result, or of its branch.
            branch (str, optional): 'student', 'teacher', or :data:`CHOSEN` for the one that the config
                predicts with. Defaults to None: the result itself.
        """
        found = []
        for result in self.results:
            name = result['branch'] if branch == CHOSEN else branch
            values = result.values if branch is None else result.values.get(name, {})
            found += [values[key]] if values.get(key) is not None else []
        return found


@dataclass(frozen=True)
class Group:
    """Methods that can be compared: with a net on some labels of a data set, and on all labels.

    Attributes:
        data (str): Name of the data set.
        labels (int | str): Number of labels.
        net (str): Name of the net.
        rows (Sequence[Row]): Methods that have results, the baseline first.
    """

    data: str
    labels: int | str
    net: str
    rows: Sequence[Row]

    @property
    def title(self) -> str:
        """What the table is of."""
        return f'{self.data}, {self.labels} labels, {self.net}'

    @property
    def gaining(self) -> list[Row]:
        """The rows that have a gain."""
        return [row for row in self.rows if row.gain is not None]


def read_results(benchmark: Benchmark, folder: Path) -> list[Result]:
    """Read the results of the runs that have finished, in their order.

    Args:
        benchmark (Benchmark): The benchmark.
        folder (Path): Folder of the results.

    Raises:
        FileNotFoundError: If there are none.
    """
    found = [read_result(result_path(folder, run.name)) for run in benchmark.runs]
    results = [result for result in found if result is not None]
    if not results:
        raise FileNotFoundError(
            f'{folder} holds no result of {benchmark.name}: train its runs first'
        )
    return results


def group(
    benchmark: Benchmark, results: Sequence[Result], patterns: Sequence[str] = ()
) -> list[Group]:
    """Sort results into groups.

    Args:
        benchmark (Benchmark): The benchmark.
        results (Sequence[Result]): Its results.
        patterns (Sequence[str]): Patterns of names of runs; none means all. The baseline stays, and a
            run on all labels is asked for by the names of the runs on some.
    """
    keys = dict.fromkeys(
        (run.data, run.labels, run.net) for run in benchmark.runs if run.labels != ALL
    )
    groups = []
    for data, labels, net in keys:
        here = [r for r in results if r.group in ((data, labels, net), (data, ALL, net))]
        asked = [r for r in here if _matches(r, labels, patterns)]
        baseline = [r for r in here if r['method'] == benchmark.baseline]
        rows = [Row(benchmark.baseline, baseline)] if baseline and asked else []
        for method in benchmark.methods[1:]:
            own = sorted((r for r in asked if r['method'] == method), key=lambda r: r['seed'])
            rows += [Row(method, own, baseline)] if own else []
        groups += [Group(data, labels, net, rows)] if rows else []
    return groups


def _matches(result: Result, labels: int | str, patterns: Sequence[str]) -> bool:
    name = result['run'].replace(f'-{ALL}_seed', f'-{labels}_seed')
    return not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def markdown(groups: Sequence[Group], kind: str = GAINS) -> str:
    """Return a table of each group in Markdown.

    Args:
        groups (Sequence[Group]): The groups.
        kind (str): 'gains' for the table of methods, or 'classes' for the gain of each class.
    """
    table = _classes_table if kind == CLASSES else _gains_table
    return '\n'.join(table(each) for each in groups)


def _gains_table(each: Group) -> str:
    lines = [_HEADER, *(_cells(row) for row in each.rows)]
    notes = [f'Trained on {_devices(each.rows)}.']
    if any(len(row.gain.seeds) == 1 for row in each.gaining):
        notes.append('The interval of a single seed is over images alone.')
    return f'**{each.title}**\n\n{_as_markdown(lines)}\n{" ".join(notes)}\n'


def _cells(row: Row) -> list[str]:
    gain = row.gain
    return [
        row.method,
        ' '.join(str(result['seed']) for result in row.results),
        mean_and_spread(row.numbers('last', 'student')),
        mean_and_spread(row.numbers('last', 'teacher')),
        mean_and_spread(row.numbers('best', CHOSEN)),
        '-' if gain is None else f'{gain.mean:+.2f}',
        '-' if gain is None else f'{gain.low:+.2f} to {gain.high:+.2f}',
        f'{statistics.fmean(row.numbers("ece", CHOSEN)):.1f}',
        f'{statistics.fmean(row.numbers("minutes")):.1f}',
        f'{statistics.fmean(row.numbers("memory_mib")):,.0f}',
    ]


def _devices(rows: Sequence[Row]) -> str:
    runs = Counter(result['device'] for row in rows for result in row.results)
    if len(runs) == 1:
        return next(iter(runs))
    return ', '.join(f'{name} ({number} runs)' for name, number in runs.items())


def _classes_table(each: Group) -> str:
    lines = [['class', *(row.method for row in each.gaining)]]
    for index, name in enumerate(each.rows[0].results[0]['classes']):
        gains = [row.gain.classes[index] for row in each.gaining]
        # a class that occurs nowhere has no gain
        lines.append([name, *('-' if gain != gain else f'{gain:+.1f}' for gain in gains)])
    return f'**{each.title}: gain in IoU by class**\n\n{_as_markdown(lines)}'


def _as_markdown(lines: Sequence[Sequence[str]]) -> str:
    bars = ['---', *(['---:'] * (len(lines[0]) - 1))]
    return ''.join('| ' + ' | '.join(line) + ' |\n' for line in [lines[0], bars, *lines[1:]])


def csv_rows(groups: Sequence[Group]) -> list[dict[str, object]]:
    """Return a row of numbers for each method of each group; deviations are those over the seeds.

    Args:
        groups (Sequence[Group]): The groups.
    """
    return [
        {
            'data': each.data,
            'labels': each.labels,
            'net': each.net,
            'method': row.method,
            'seeds': ' '.join(str(result['seed']) for result in row.results),
            **_mean_and_deviation(row, 'last', 'student', 'student'),
            **_mean_and_deviation(row, 'last', 'teacher', 'teacher'),
            **_mean_and_deviation(row, 'best', CHOSEN, 'best'),
            'gain': '' if row.gain is None else f'{row.gain.mean:.3f}',
            'gain_low': '' if row.gain is None else f'{row.gain.low:.3f}',
            'gain_high': '' if row.gain is None else f'{row.gain.high:.3f}',
            **_mean_and_deviation(row, 'ece', CHOSEN, 'ece'),
            **_mean_and_deviation(row, 'minutes', None, 'minutes'),
            **_mean_and_deviation(row, 'memory_mib', None, 'memory_mib'),
            'devices': _devices([row]),
        }
        for each in groups
        for row in each.rows
    ]


def _mean_and_deviation(row: Row, key: str, branch: str | None, name: str) -> dict[str, str]:
    values = row.numbers(key, branch)
    return {
        name: f'{statistics.fmean(values):.3f}' if values else '',
        f'{name}_deviation': f'{statistics.stdev(values):.3f}' if len(values) > 1 else '',
    }


def fill(text: str, benchmark: Benchmark, results: Sequence[Result]) -> str:
    """Put the tables of a benchmark into the places that a document has for them.

    A place is between two comments, ``<!-- benchmark:race gains *_msrc21-21_* -->`` and
    ``<!-- /benchmark -->``: the benchmark, 'gains' or 'classes', and patterns of names of runs, of which
    none means all.

    Args:
        text (str): The document.
        benchmark (Benchmark): The benchmark; places of others stay as they are.
        results (Sequence[Result]): Its results.
    """

    def table(place: re.Match[str]) -> str:
        begin, name, kind, patterns, _, end = place.groups()
        if name != benchmark.name:
            return place[0]
        return f'{begin}\n{markdown(group(benchmark, results, patterns.split()), kind)}\n{end}'

    return _PLACE.sub(table, text)
