"""From a folder of photos and one of masks to a training, or to one sentence, and on to masks."""

import json
import re
import runpy
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmseg_contrast.tooling import launch

sys.path.insert(0, str(Path(__file__).parents[1]))

import zoo

TOOLS = Path(__file__).parents[2] / 'tools'
INIT = 'init_project.py --images photos --masks masks --out my_project --backbone fpn_r18-narrow'


@pytest.fixture
def run(tmp_path, monkeypatch, forget):
    """Run a tool in a folder of its own, with the words of a command line; tools that it runs too."""
    monkeypatch.chdir(tmp_path)

    def call(tool, *arguments):
        forget()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, 'argv', [tool, *arguments])
            patch.setattr(launch, 'tool_runner', lambda *_: run_inner)
            # compare.py would handle the signals of this process from then on
            patch.setattr(signal, 'signal', lambda *_: None)
            return runpy.run_path(str(TOOLS / tool), run_name='__main__')

    def run_inner(tool, *arguments):
        if 'browse' not in tool or drawn:
            call(tool, *arguments)

    drawn = []
    call.draw = lambda: drawn.append(True)
    return call


@pytest.fixture
def forget(project):
    """Drop what a runner leaves behind."""
    return sys.modules[type(project).__module__].forget_mmengine


def init(run, said=''):
    run(*f'{INIT} {said}'.split())


@pytest.fixture
def problems():
    """Check the data of a config as ``check_dataset.py`` does, and return the number of problems."""
    return runpy.run_path(str(TOOLS / 'misc/check_dataset.py'))['main']


@pytest.mark.parametrize('kind', zoo.TRAINS)
def test_a_project_whose_data_have_no_fault(run, problems, kind):
    write, said, number = zoo.TRAINS[kind]
    if kind == 'COCO':
        pytest.importorskip('pycocotools')
    write(Path())
    init(run, said)
    cfg = Config.fromfile('my_project/semi.py')
    assert len(cfg.classes) == len(set(map(tuple, cfg.palette))) == number
    assert problems(['my_project/semi.py']) == 0


@pytest.mark.parametrize('kind', zoo.TOLD)
def test_one_sentence(run, kind):
    """It names the file and the remedy, and nothing is written."""
    write, said, sentence = zoo.TOLD[kind]
    write(Path())
    with pytest.raises(SystemExit) as caught:
        init(run, said)
    assert isinstance(caught.value.code, str) and '\n' not in caught.value.code
    assert re.search(sentence, caught.value.code)
    assert not Path('my_project').exists()


def shorten(name):
    """Let a config of the project train for two iterations, in this process."""
    path = Path('my_project', name)
    path.write_text(
        path.read_text()
        + """
max_iters = 2
param_scheduler = [dict(_base_.poly, end=max_iters)]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(checkpoint=dict(interval=max_iters))
in_process = dict(num_workers=0, persistent_workers=False)
train_dataloader.update(in_process)
val_dataloader = test_dataloader = in_process
"""
    )
    return str(path)


def test_three_commands_from_two_folders_to_masks(run, capsys):
    """Nothing is told to them but where the photos and the masks are."""
    zoo.with_photos_of_many_kinds(Path())
    run.draw()
    init(run)
    assert Image.open('my_project/seen.png').width > 500
    said = capsys.readouterr().out
    assert 'my_project/supervised.py my_project/semi.py' in said.splitlines()[-1]

    configs = [shorten('supervised.py'), shorten('semi.py')]
    run('compare.py', *configs, '--num-images', '1')
    scores = json.loads(Path('work_dirs/compare/results.json').read_text())
    assert [each['iteration'] for each in scores] == [2, 2]

    zoo.photos(Path('new_photos'), 3)
    found = Path('work_dirs/compare').rglob('iter_2.pth')
    [checkpoint] = [path for path in found if 'semi' in str(path)]
    line = f'my_project/semi.py {checkpoint} --images new_photos --out for_review --threshold 0'
    run('pseudo_label.py', *line.split())
    made = sorted(Path('for_review/masks').iterdir())
    assert [path.name for path in made] == ['p0.png', 'p1.png', 'p2.png']
    for path in made:
        mask = np.asarray(Image.open(path))
        assert mask.shape == zoo.SIZE and set(np.unique(mask)) <= {0, 1, 2}
