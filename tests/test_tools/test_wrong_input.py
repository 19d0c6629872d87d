"""What a user may give by mistake ends each tool with one sentence, and nothing is overwritten."""

import re
import runpy
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / 'tools'
# A tool, and what it is given with CONFIG.
OF_CONFIGS = [
    'train.py CONFIG',
    'test.py CONFIG file.txt',
    'compare.py CONFIG',
    'train_label_efficient.py CONFIG',
    'pseudo_label.py CONFIG file.txt --images folder --out new',
    'misc/check_dataset.py CONFIG',
    'analysis_tools/browse_dataset.py CONFIG --out new.png',
    'analysis_tools/plot_embedding.py --run title CONFIG file.txt --out new.png',
    'analysis_tools/benchmark_step.py CONFIG',
]
DETECTION = """
model = dict(type='FasterRCNN')
data = dict(train=dict(type='CocoDataset'))
"""


@pytest.fixture
def ends(tmp_path, monkeypatch):
    """Run a tool in a folder of wrong things; return the sentence that it ends with."""
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'file.txt').write_text('mine')
    (tmp_path / 'open.py').write_text('a = (\n')
    (tmp_path / 'unknown.py').write_text('a = b\n')
    (tmp_path / 'detection.py').write_text(DETECTION)
    monkeypatch.chdir(tmp_path)

    def run(command):
        tool, *arguments = command.split()
        monkeypatch.setattr(sys, 'argv', [tool, *arguments])
        with pytest.raises(SystemExit) as caught:
            runpy.run_path(str(TOOLS / tool), run_name='__main__')
        sentence = caught.value.code
        assert isinstance(sentence, str), 'the exit code would be 0'
        assert '\n' not in sentence
        assert (tmp_path / 'file.txt').read_text() == 'mine'
        assert not list(tmp_path.glob('new*'))
        return sentence

    return run


@pytest.mark.parametrize('command', OF_CONFIGS)
def test_configs(ends, command):
    def said(config):
        return ends(command.replace('CONFIG', config))

    assert 'there is no config gone.py: give the path of a .py file' in said('gone.py')
    assert 'there is no config folder: give the path of a .py file' in said('folder')
    assert 'file.txt is no config: give the path of a .py file' in said('file.txt')
    assert "open.py, or a _base_ of it, cannot be read: '(' was never closed" in said('open.py')
    assert "unknown.py, or a _base_ of it, cannot be read: name 'b'" in said('unknown.py')
    assert re.search(
        r'has no \w+_dataloader|lacks pretrain', said('detection.py').replace('model, ', '')
    )


def test_a_file_in_the_place_of_a_data_set_is_kept(ends):
    assert 'file.txt is a file: give another folder' in ends(
        'dataset_converters/mosaic.py file.txt'
    )
