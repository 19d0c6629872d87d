"""What the READMEs and notes say was measured is what the kept results say."""

import csv
import json
import re
import statistics
from functools import cache
from pathlib import Path

import pytest

from mmseg_contrast.tooling.benchmark.plan import read_benchmark
from mmseg_contrast.tooling.benchmark.tables import CLASSES, fill, group, markdown, read_results

ROOT = Path(__file__).parents[1]
STUDY = ROOT / 'results' / 'camvid_from_scratch'
NOTE = ROOT / 'docs' / 'notes' / 'camvid_from_scratch.md'
READMES = [ROOT / 'README.md', *sorted((ROOT / 'configs').glob('*/README.md'))]
NUMBER = r'\*{0,2}(\d\d\.\d\d)\*{0,2}(?: ± (\d\.\d\d))?'
LOG = r'\[(?:log|\d)\]\(([^)]+\.json)\)'
# student, or student / teacher, and then the logs, in brackets or in the next cell of a table
RESULT = re.compile(rf'{NUMBER}(?: / {NUMBER})?(?: \(| \| ){LOG}(?:, {LOG}, {LOG})?')


@cache
def last_scores(path):
    """Student's and teacher's mIoU of the last validation; of a supervised net the first alone."""
    with open(path) as file:
        rows = [json.loads(line) for line in file]
    scored = [row for row in rows if 'mIoU' in row or 'student/mIoU' in row]
    last = scored[-1] if scored else {}
    return last.get('student/mIoU', last.get('mIoU')), last.get('teacher/mIoU')


def check(found, logs):
    """Compare (student, deviation, teacher, deviation) with the logs of some seeds."""
    branches = zip(*map(last_scores, logs), strict=True)
    for values, mean, spread in zip(branches, found[::2], found[1::2], strict=True):
        if mean is not None:
            assert statistics.mean(values) == pytest.approx(float(mean), abs=0.0101)
        if spread is not None:
            assert statistics.stdev(values) == pytest.approx(float(spread), abs=0.0101)


def measured_results():
    return [
        pytest.param(readme.parent, match.groups(), id=f'{readme.parent.name}-{match[0]}')
        for readme in READMES
        for match in RESULT.finditer(readme.read_text(encoding='utf-8'))
    ]


@pytest.mark.parametrize(('folder', 'found'), measured_results())
def test_results_are_those_of_the_logs(folder, found):
    check(found[:4], [folder / name for name in found[4:] if name])


def tables(path):
    """The rows of each table of a page: pairs of the name of a column and what stands in its cell."""
    header = None
    for line in path.read_text(encoding='utf-8').splitlines():
        cells = [cell.strip() for cell in line.split('|')[1:-1]]
        if not cells:
            header = None
        elif header is None:
            header = cells
        elif set(''.join(cells)) != {'-'}:
            yield list(zip(header, cells, strict=True))


def rows_of_the_note():
    rows = [dict(row) for row in tables(NOTE)]
    return [pytest.param(row, id=row['run']) for row in rows]


@pytest.mark.parametrize('row', rows_of_the_note())
def test_rows_of_the_note_are_those_of_the_logs(row):
    run = row['run'].strip('`')
    seeds = row['seeds'].split(', ')
    logs = [STUDY / f'{run}_seed{seed}.json' for seed in seeds]
    found = re.fullmatch(rf'{NUMBER}(?: / {NUMBER})?', row['mIoU'])
    assert found, row['mIoU']
    assert (found[2] is not None) == (len(seeds) > 1 and ' ± ' in row['mIoU'])
    assert (found[3] is not None) == (last_scores(logs[0])[1] is not None)
    check(found.groups(), logs)


def test_the_list_of_runs_is_that_of_the_logs():
    with open(STUDY / 'runs.csv', encoding='utf-8', newline='') as file:
        rows = {f'{row["run"]}_seed{row["seed"]}': row for row in csv.DictReader(file)}
    logs = {f'{path.parent.name}/{path.stem}': path for path in STUDY.glob('*/*.json')}
    assert rows.keys() == logs.keys() and len(logs) > 130
    for name, row in rows.items():
        for branch, value in zip(('student', 'teacher'), last_scores(logs[name]), strict=True):
            assert row[branch] == ('' if value is None else f'{value:.2f}'), name


def numbers_of(path):
    """All times and memories of the CSV files beside a page."""
    for each in path.parent.glob('*.csv'):
        with open(each, encoding='utf-8', newline='') as file:
            for row in csv.DictReader(file):
                for key in ('ms', 'MiB'):
                    if row[key] != '-':
                        yield float(row[key])


@pytest.mark.parametrize('name', ['kernels', 'steps'])
def test_costs_are_those_of_the_files(name):
    page = ROOT / 'results' / name / 'README.md'
    measured = list(numbers_of(page))
    checked = 0
    for row in tables(page):
        for column, cell in row:
            if re.search(r'\b(ms|MiB)$', column):
                number = float(cell.replace(',', ''))
                digits = len(cell.partition('.')[2])
                near = 0.5 * 10**-digits + 1e-6
                assert any(abs(each - number) <= near for each in measured), (row, cell)
                checked += 1
    assert checked >= 26


BENCHMARKS = sorted(ROOT.glob('configs/benchmarks/*.py'))
DOCUMENTS = [*READMES, *sorted((ROOT / 'docs').rglob('*.md'))]


@pytest.mark.parametrize('path', BENCHMARKS, ids=lambda path: path.stem)
def test_tables_of_benchmarks_are_those_of_the_results(path, monkeypatch):
    monkeypatch.chdir(ROOT)  # lists are relative to it
    folder = ROOT / 'results' / path.stem
    if not (folder / 'table.md').is_file():
        pytest.skip(f'{folder} has no table yet')
    benchmark = read_benchmark(path)
    results = read_results(benchmark, folder)
    groups = group(benchmark, results)
    remedy = f'run tools/benchmark.py {path.relative_to(ROOT)} --table --write DOCUMENTS'
    for name, kind in (('table.md', 'gains'), ('classes.md', CLASSES)):
        assert (folder / name).read_text(encoding='utf-8') == markdown(groups, kind), remedy
    for document in DOCUMENTS:
        text = document.read_text(encoding='utf-8')
        if document.name == 'benchmark.md':  # it shows a place
            continue
        assert fill(text, benchmark, results) == text, f'{document}: {remedy}'
