from pathlib import Path

import pytest

from mmseg_contrast.tooling import package_files
from mmseg_contrast.tooling.package_files import configs, find_config, folder_of

REPO = Path(__file__).parents[2]


def test_in_a_checkout():
    assert folder_of('tools') == REPO / 'tools' and folder_of('configs') == REPO / 'configs'


def test_in_a_wheel(tmp_path, monkeypatch):
    mim = tmp_path / 'site-packages/mmseg_contrast/.mim'
    (mim / 'configs/a').mkdir(parents=True)
    (mim / 'configs/a/mine.py').write_text('')
    monkeypatch.setattr(package_files, 'PACKAGE', mim.parent)
    assert find_config('mine') == mim / 'configs/a/mine.py'
    with pytest.raises(FileNotFoundError, match='the folder tools is missing; install'):
        folder_of('tools')


def test_each_config_has_a_name_of_its_own():
    paths = [path for path in REPO.glob('configs/*/*.py') if path.parent.name != '_base_']
    assert len(configs()) == len(paths) > 100


@pytest.mark.parametrize('given', ['c3semiseg_mosaic', 'c3semiseg_mosaic.py'])
def test_a_config_by_name(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config(given) == REPO / 'configs/c3semiseg/c3semiseg_mosaic.py'
    (tmp_path / given).write_text('')
    assert find_config(given) == Path(given)  # a file that is there goes first


@pytest.mark.parametrize(
    ('given', 'end'),
    [
        (
            'c3semiseg_mosaik',
            ', or the name of a config of mmseg_contrast, such as c3semiseg_mosaic',
        ),
        ('x/c3semiseg_mosaic', 'of a .py file, or the name of a config of mmseg_contrast'),
        ('gone.py', 'of a .py file, or the name of a config of mmseg_contrast'),
    ],
)
def test_no_such_config(given, end):
    with pytest.raises(FileNotFoundError) as caught:
        find_config(given)
    said = str(caught.value)
    assert said.startswith(f'there is no config {given}: give the path') and said.endswith(end)
