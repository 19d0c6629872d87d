"""The pages of `docs/data`: their paths are those of the configs."""

import importlib.util
import re
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from mmseg_contrast.datasets.data_pages import _PAGES
from mmseg_contrast.tooling.cli import leaf_datasets

ROOT = Path(__file__).parents[2]
PAGES = sorted(ROOT.glob('docs/data/*.md'))
BASES = sorted(ROOT.glob('configs/_base_/datasets/*.py'))
#: What MMSeg ships beside its package; not there where it is installed from a clone.
MIM = Path(importlib.util.find_spec('mmseg').submodule_search_locations[0]) / '.mim'
NUMBER = r'\|\s*([\d,]+)(?: each)?\s*'


def text_of(page):
    return (ROOT / 'docs' / 'data' / f'{page}.md').read_text(encoding='utf-8')


def sources():
    """Each data set of the base configs, with the base."""
    for base in BASES:
        cfg = Config.fromfile(base, import_custom_modules=False)
        for loader in ('train_dataloader', 'val_dataloader'):
            if loader in cfg:  # a recipe makes that of the training
                for dataset in leaf_datasets(cfg[loader].dataset):
                    yield base, dataset


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_named_files_of_the_project_exist(page):
    text = page.read_text(encoding='utf-8')
    for path in re.findall(r'\.mim/([\w./-]+\w)', text):
        assert not MIM.is_dir() or (MIM / path).is_file(), path
    for path in re.findall(r'(?<!\.mim/)\b(?:configs|tools|data_lists)/[\w./-]+\w', text):
        # Lists that a command of the page writes need not be there.
        if not re.search(rf'--out {re.escape(path)}\b', text):
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize('name', sorted(_PAGES))
def test_each_type_has_a_page_that_is_in_the_overview(name):
    init_default_scope('mmseg')
    assert DATASETS.get(name) is not None
    page, converter = _PAGES[name]
    assert text_of(page)
    assert f'[{page}.md]({page}.md) | `{name}`' in text_of('README')
    if converter:
        assert converter.rpartition('/')[2] in text_of(page)


def test_each_data_set_of_the_configs_has_its_paths_on_its_page():
    pages = set()
    for base, dataset in sources():
        name = dataset.get('like', dataset.type)
        page = _PAGES[name][0]
        pages.add(page)
        text = text_of(page)
        assert f'`configs/_base_/datasets/{base.name}`' in text or 'names begin alike' in text, base
        for prefix in dataset.data_prefix.values():
            folder = Path(dataset.get('data_root', ''), prefix)
            head, split = (folder.parent, folder.name)
            whole = f'{folder}' if split not in ('train', 'val') else f'{head}'
            # Drawn as a tree: the root in the first line, the rest below.
            for part in Path(whole).relative_to('data').parts:
                assert part in text, (base, folder, part)
    assert pages == {page for page, _ in _PAGES.values()}


@pytest.mark.parametrize(
    ('page', 'splits'),
    [('camvid', {'train': 367, 'val': 101}), ('msrc21', {'train': 413, 'val': 176})],
)
def test_numbers_are_those_on_disk(page, splits):
    for split, number in splits.items():
        row = re.search(rf'\| `{split}` {NUMBER}{NUMBER}\|', text_of(page))
        assert row.groups() == (str(number), str(number))
        for kind in ('images', 'annotations'):
            folder = ROOT / 'data' / page / kind / split
            if folder.is_dir():
                assert len(list(folder.iterdir())) == number


def test_readmes_link_to_the_pages():
    for path in (
        'README.md',
        *(str(p.relative_to(ROOT)) for p in ROOT.glob('configs/*/README.md')),
    ):
        text = (ROOT / path).read_text(encoding='utf-8')
        assert 'docs/data/README.md)' in text, path


def test_the_list_of_all_voc_labels_has_the_name_that_its_converter_gives_it():
    converter = MIM / 'tools' / 'dataset_converters' / 'voc_aug.py'
    if converter.is_file():
        assert "'trainaug.txt'" in converter.read_text(encoding='utf-8')
    files = [*ROOT.glob('configs/**/*.py'), *ROOT.glob('configs/**/*.md'), *PAGES]
    named = [path for path in files if 'trainaug' in path.read_text(encoding='utf-8')]
    assert len(named) >= 7
    assert not [path for path in files if 'train_aug' in path.read_text(encoding='utf-8')]
