"""`benchmark.py` does what is asked of it, and says with one sentence and its exit code what failed."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import made_up_results
from tiny_benchmark import write_project

from mmseg_contrast.tooling.benchmark.schedule import BUSY


@pytest.fixture
def benchmark(load_tool, tmp_path, monkeypatch):
    """The tool, in a folder with `tiny.py`; a run is stood in for by a result of 10 steps' worth."""
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    tool = load_tool('benchmark.py')
    done = []

    class Stand:
        def __init__(self, runs, folders, jobs, start):
            self.runs, self.folders = runs, folders
            self.jobs = jobs

        def run(self):
            failed = []
            for run in self.runs:
                done.append((run.name, self.jobs))
                if 'seed1' in run.name and Stand.fails:
                    failed.append(run)
                    continue
                path = self.folders.result(run)
                path.parent.mkdir(parents=True, exist_ok=True)
                content = {'config_hash': run.config_hash, 'config': run.manifest}
                path.write_text(json.dumps(content))
            return failed

    Stand.fails = False
    monkeypatch.setattr(tool, 'Schedule', Stand)

    def main(*arguments):
        done.clear()
        tool.main(['tiny.py', *arguments])
        return [name for name, _ in done]

    main.tool, main.done, main.stand = tool, done, Stand
    return main


def stopped(benchmark, *arguments):
    with pytest.raises(SystemExit) as caught:
        benchmark(*arguments)
    return caught.value.code


def test_only_what_is_asked_for_and_not_finished_is_done(benchmark, capsys):
    assert benchmark('--only', 'fixmatch_*', '--jobs', '2') == [
        'fixmatch_tiny_mosaic-2_seed0',
        'fixmatch_tiny_mosaic-2_seed1',
    ]
    assert {jobs for _, jobs in benchmark.done} == {2}
    assert 'tiny: 2 of 2 runs to do' in capsys.readouterr().out
    assert len(benchmark()) == 3
    assert 'tiny: 3 of 5 runs to do' in capsys.readouterr().out
    assert benchmark() == []
    assert len(list(Path('results/tiny').glob('*.json'))) == 5


def test_the_list_names_all_runs_and_trains_none(benchmark, capsys):
    benchmark('--only', '*_seed1')
    assert benchmark('--list') == []
    lines = capsys.readouterr().out.splitlines()[-5:]
    assert lines[0] == 'labels-alone_tiny_mosaic-2_seed0'
    assert lines[-1] == 'fixmatch_tiny_mosaic-2_seed1  finished'


def test_a_failed_run_makes_the_exit_code_1_and_is_named(benchmark):
    benchmark.stand.fails = True
    said = stopped(benchmark)
    assert said == (
        '2 of 5 runs failed: labels-alone_tiny_mosaic-2_seed1, fixmatch_tiny_mosaic-2_seed1'
    )
    assert len(benchmark.done) == 5


def test_a_finished_run_of_another_config_is_refused_or_trained_anew(benchmark):
    benchmark('--only', '*_seed0')
    recipe = Path('tiny.py')
    recipe.write_text(recipe.read_text().replace('0.3', '0.4'))
    said = stopped(benchmark)
    assert said.startswith(
        'error: FileExistsError: 1 of 5 runs are of another config: '
        'results/tiny/fixmatch_tiny_mosaic-2_seed0.json is of another config: '
        'model.selector.threshold was 0.3 there, and is 0.4 now; give --retrain'
    )
    assert benchmark.done == []
    assert benchmark('--only', 'labels-alone*') == ['labels-alone_tiny_mosaic-2_seed1']
    assert benchmark('--retrain') == [
        'fixmatch_tiny_mosaic-2_seed0',
        'fixmatch_tiny_mosaic-2_seed1',
    ]


def test_a_run_that_another_process_has_ends_with_its_own_code(benchmark, monkeypatch):
    def busy(*_):
        raise BlockingIOError('another process is at work in work_dirs: wait for it')

    monkeypatch.setattr(benchmark.tool, 'complete', busy)
    assert stopped(benchmark, '--run', 'fixmatch_tiny_mosaic-2_seed0') == BUSY


def test_a_pattern_or_a_file_that_is_none_is_told(benchmark):
    assert 'csc_* matches no run of tiny' in stopped(benchmark, '--only', 'csc_*')
    with pytest.raises(SystemExit) as caught:
        benchmark.tool.main(['there_is_none.py'])
    assert 'there is no config there_is_none.py' in caught.value.code


def test_tables_picture_and_documents_are_of_the_results(load_tool, tmp_path, monkeypatch, capsys):
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    for method, right in (('labels-alone', 0.5), ('fixmatch', 0.7)):
        for seed in range(2):
            made_up_results.write('results/tiny', method, seed, right, data='mosaic')
    place = '<!-- benchmark:tiny gains fixmatch_* -->\n{}<!-- /benchmark -->\n'
    Path('README.md').write_text('# Mine\n' + place.format(''))
    load_tool('benchmark.py').main(['tiny.py', '--table', '--plot', '--write', 'README.md'])
    said = capsys.readouterr().out
    assert 'tiny: 4 of 5 runs have results' in said
    table = Path('results/tiny/table.md').read_text()
    assert table in said
    assert table.startswith('**mosaic, 2 labels, tiny**\n\n| method | seeds |')
    assert Path('README.md').read_text() == '# Mine\n' + place.format(f'\n{table}\n')
    assert '| sky | +' in Path('results/tiny/classes.md').read_text()
    assert Path('results/tiny/table.csv').read_text().startswith('data,labels,net,method,seeds,')
    assert Path('results/tiny/gains.png').read_bytes()[:4] == b'\x89PNG'
    # --only chooses what is printed, and not what the files hold
    load_tool('benchmark.py').main(['tiny.py', '--table', '--only', 'labels-alone_*'])
    assert '| fixmatch |' not in capsys.readouterr().out
    assert Path('results/tiny/table.md').read_text() == table
