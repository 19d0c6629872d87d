import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from mmseg_contrast.tooling import launch

sys.path.insert(0, str(Path(__file__).parents[1]))

import zoo

TOOL = Path(__file__).parents[2] / 'tools/init_project.py'


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Run the tool in a folder of its own without drawing; return what it prints and the tools it runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('COLUMNS', '160')
    ran = []
    monkeypatch.setattr(launch, 'tool_runner', lambda *_: lambda *arguments: ran.append(arguments))

    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['init_project.py', *arguments])
        runpy.run_path(str(TOOL), run_name='__main__')
        return capsys.readouterr().out, ran

    return run


FOLDERS = ('--images', 'photos', '--masks', 'masks', '--out', 'p')


def test_what_is_told(call):
    zoo.folders(Path(), zoo.of_colors, number=13)
    out, ran = call(*FOLDERS)
    lines = out.splitlines()
    assert lines[0] == 'photos          13 that can be read, 64 x 48 in the middle'
    assert lines[1] == 'masks           4: colours; written as class ids in p/annotations'
    assert lines[2] == 'for training    3 labelled, 9 unlabelled'
    assert lines[3] == 'for validation  1 labelled; each image by itself; seed 0'
    assert lines[4].startswith('read at         96 x 72, crops of 64 x 64, 1000 steps (a ')
    rows = [[cell.strip() for cell in line.split('│')[1:-1]] for line in lines if '│' in line]
    pixels = np.array([np.bincount(zoo.classes(seed=i).ravel(), minlength=3) for i in range(4)])
    pixels = pixels[:, [0, 2, 1]].sum(axis=0)
    shares = [f'{each / pixels.sum():.1%}' for each in pixels]
    values = ('0,0,0', '0,128,0', '255,0,0')
    assert rows == [
        [str(i), f'class_{i}', values[i], '3', '1', f'{pixels[i]:,}', shares[i]] for i in range(3)
    ]
    assert 'the classes have no names: write them into p/dataset.py' in lines
    assert 'left out' not in out
    assert ran == [
        ('analysis_tools/browse_dataset.py', 'p/semi.py', '--out', 'p/seen.png', '--force')
    ]
    assert lines[-2] == 'look at p/seen.png, then train:'
    assert lines[-1].endswith('compare p/supervised.py p/semi.py')


def test_what_is_left_out(call):
    zoo.with_everything_broken_that_can_be(Path())
    out, _ = call(*FOLDERS)
    at = out.splitlines().index('7 files are left out:')
    assert (
        'photos/p12.jpg: cannot be read (' in out and 'masks/nobody.png: no photo has this' in out
    )
    assert out.splitlines()[at + 6] == '  and 2 more, see p/left_out.txt'
    assert len(Path('p/left_out.txt').read_text().splitlines()) == 7


def test_arguments_are_remembered(call, monkeypatch, tmp_path):
    zoo.folders(Path(), zoo.of_ids)
    call(*FOLDERS, '--classes', 'a', 'b', 'c', '--steps', '50', '--method', 'unimatch_v2')
    first = {path.name: path.read_text() for path in Path('p').glob('*.py')}
    (tmp_path / 'elsewhere').mkdir()
    monkeypatch.chdir(tmp_path / 'elsewhere')
    out, _ = call('--out', '../p')
    assert {path.name: path.read_text() for path in Path('../p').glob('*.py')} == first
    assert 'recipes/unimatch_v2.py' in first['semi.py'] and 'steps = 50' in first['dataset.py']
    assert 'have no names' not in out
    call('--out', '../p', '--steps', '60')
    assert 'steps = 60' in Path('../p/dataset.py').read_text()
    record = json.loads(Path('../p/project.json').read_text())['arguments']
    assert (record['steps'], record['method'], record['classes']) == (60, 'unimatch_v2', [*'abc'])


def test_what_was_kept_is_told(call):
    zoo.folders(Path(), zoo.of_ids)
    call(*FOLDERS)
    path = Path('p/dataset.py')
    path.write_text(path.read_text().replace('class_0', 'soil'))
    assert 'kept as changed by hand: dataset.py' in call('--out', 'p')[0]
    assert 'soil' in path.read_text()


def test_classes_that_training_lacks(call):
    zoo.folders(Path(), zoo.of_ids)
    out, _ = call(*FOLDERS, '--classes', 'a', 'b', 'c', 'd', 'e')
    assert 'no labelled photo for training shows d, e' in out


def test_labels_alone(call):
    zoo.folders(Path(), zoo.of_ids, number=4)
    out, _ = call(*FOLDERS)
    assert 'there is no photo without a mask, so there is no semi.py' in out
    assert out.splitlines()[-1].endswith('compare p/supervised.py')


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (
            (*FOLDERS, '--ignore', 'black'),
            '--ignore black: give numbers (255), colours (0,0,0), or none',
        ),
        ((*FOLDERS, '--method', 'x'), '--method x: there is none; give one of'),
        ((*FOLDERS, '--group', '('), '--group (: is no regular expression'),
        ((*FOLDERS, '--steps', '1'), '--steps 1 is too few'),
        ((*FOLDERS[:-1], 'photos'), 'photos: the folder is there, and no project of this tool'),
        (
            ('--images', 'gone', *FOLDERS[2:]),
            'gone: there is no such folder; give that of the photos',
        ),
    ],
)
def test_mistakes(call, arguments, said):
    zoo.folders(Path(), zoo.of_ids)
    with pytest.raises(SystemExit) as caught:
        call(*arguments)
    assert said in caught.value.code and '\n' not in caught.value.code


def test_a_folder_is_missing_on_the_command_line(call, capsys):
    with pytest.raises(SystemExit):
        call('--out', 'p')
    assert '--images is missing: give the folder' in capsys.readouterr().err
