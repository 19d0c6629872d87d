"""What the READMEs say was measured is what the kept logs beside them say."""

import json
import re
import statistics
from pathlib import Path

import pytest

from mmseg_contrast.tooling.benchmark.plan import read_benchmark
from mmseg_contrast.tooling.benchmark.tables import CLASSES, fill, group, markdown, read_results

ROOT = Path(__file__).parents[1]
READMES = [ROOT / 'README.md', *sorted((ROOT / 'configs').glob('*/README.md'))]
NUMBER = r'\*{0,2}(\d\d\.\d\d)\*{0,2}(?: ± (\d\.\d\d))?'
LOG = r'\[(?:log|\d)\]\(([^)]+\.json)\)'
# student, or student / teacher, and then the logs, in brackets or in the next cell of a table
RESULT = re.compile(rf'{NUMBER}(?: / {NUMBER})?(?: \(| \| ){LOG}(?:, {LOG}, {LOG})?')


def last_scores(path):
    """Student's and teacher's mIoU of the last validation; of a supervised net the first alone."""
    with open(path) as file:
        rows = [json.loads(line) for line in file]
    last = [row for row in rows if 'mIoU' in row or 'student/mIoU' in row][-1]
    return last.get('student/mIoU', last.get('mIoU')), last.get('teacher/mIoU')


def measured_results():
    return [
        pytest.param(readme.parent, match.groups(), id=f'{readme.parent.name}-{match[0]}')
        for readme in READMES
        for match in RESULT.finditer(readme.read_text(encoding='utf-8'))
    ]


@pytest.mark.parametrize(('folder', 'found'), measured_results())
def test_results_are_those_of_the_logs(folder, found):
    logs = [name for name in found[4:] if name]
    branches = zip(*(last_scores(folder / name) for name in logs))
    for values, mean, spread in zip(branches, found[:4:2], found[1:4:2]):
        if mean is not None:
            assert statistics.mean(values) == pytest.approx(float(mean), abs=0.0101)
        if spread is not None:
            assert statistics.stdev(values) == pytest.approx(float(spread), abs=0.0101)


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
