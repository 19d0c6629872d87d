"""Every page and README: its links lead somewhere, its commands are what tools and configs take."""

import argparse
import importlib
import importlib.util
import re
import subprocess
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest
from documents import DOCUMENTS, ROOT, anchors, commands, links, name_of, shell_blocks
from mmengine.config import DictAction
from mmseg.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    LOOPS,
    METRICS,
    MODELS,
    OPTIM_WRAPPER_CONSTRUCTORS,
    OPTIM_WRAPPERS,
    TRANSFORMS,
)

from mmseg_contrast.tooling.overrides import read_config

#: A site's page that is another file says so in its one line.
PAGE = re.compile(r'<!-- page: (\S+) -->\n*')


def text_of(path):
    text = path.read_text(encoding='utf-8')
    if found := PAGE.fullmatch(text):
        return text_of(path.parent / found[1])
    return text


def commands_of(path):
    # those of a page that is another file are that file's
    return list(commands(path.read_text(encoding='utf-8')))


def each_command(test, paths=DOCUMENTS):
    """Commands of the documents for which ``test(words)`` holds, once each."""
    found = {}
    for path in paths:
        for words in commands_of(path):
            if test(words):
                found.setdefault(tuple(words), f'{name_of(path)}: {" ".join(words)[:60]}')
    return [pytest.param(list(words), id=name) for words, name in found.items()]


@cache
def parser_of(tool):
    spec = importlib.util.spec_from_file_location('tool_of_a_document', ROOT / tool)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.parse_args


@pytest.mark.parametrize('path', DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path):
    text = path.read_text(encoding='utf-8')
    if found := PAGE.fullmatch(text):
        assert (path.parent / found[1]).is_file(), found[1]
    for target, anchor in links(text):
        goal = (path.parent / target).resolve() if target else path
        assert goal.exists(), target
        assert goal.is_relative_to(ROOT), target
        if anchor and goal.suffix == '.md':
            assert anchor in anchors(text_of(goal)), f'{target}#{anchor}'


@pytest.mark.parametrize('path', DOCUMENTS, ids=name_of)
def test_shell_blocks_parse(path):
    blocks = shell_blocks(path.read_text(encoding='utf-8'))
    if blocks:
        done = subprocess.run(
            ['bash', '-n'], input='\n'.join(blocks), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('path', DOCUMENTS, ids=name_of)
def test_files_that_commands_name_exist(path):
    for words in commands_of(path):
        for word in words:
            if word.startswith(('configs/', 'tools/', 'tests/')):
                assert (ROOT / word).exists(), ' '.join(words)


@pytest.mark.parametrize(
    'words', each_command(lambda w: w[0] == 'python' and w[1].startswith('tools/'))
)
def test_commands_are_read_by_their_tools(words):
    _, tool, *arguments = words
    parser_of(tool)(arguments)  # exits where an argument is unknown


def config_of(words):
    """The config of a command with ``--cfg-options``; chains read theirs in stages of their own."""
    if '--cfg-options' in words:
        for word in words:
            if re.fullmatch(r'configs/(?!benchmarks/).*/(?!chain_)[^/]*\.py', word):
                return word
    return None


def methods_readme(path):
    """Whether `tests/test_configs.py` builds what the commands of a README change."""
    folder = path.parent
    is_method = (ROOT / 'configs' / '_base_' / 'methods' / f'{folder.name}.py').is_file()
    return path.name == 'README.md' and is_method and not list(folder.glob('chain_*.py'))


@pytest.mark.parametrize(
    'words', each_command(config_of, [path for path in DOCUMENTS if not methods_readme(path)])
)
def test_options_of_commands_are_keys_of_their_config(words):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    options = parser.parse_args(words[words.index('--cfg-options') :]).cfg_options
    read_config(ROOT / config_of(words), options)  # refuses a key that nothing reads


def test_the_helpers_find_what_is_wrong(tmp_path):
    text = (
        '# A title: `x`, [y](z.md)!\n\n[a](no.md) [b](#a-title-x-y) `[c](d)`\n'
        '```bash\nCHAIN="python tools/a.py --b"\nX=1 $CHAIN c \\\n  d  # e\n```\n'
    )
    assert list(commands(text)) == [['python', 'tools/a.py', '--b', 'c', 'd']]
    assert links(text) == [('z.md', ''), ('no.md', ''), ('', 'a-title-x-y')]
    assert anchors(text) == {'a-title-x-y'}
    assert Path(ROOT / 'docs' / 'index.md') in DOCUMENTS


def test_each_page_is_in_the_site():
    """In the table of contents of the first page, or of the page of its folder."""

    def listed(page):
        text = page.read_text(encoding='utf-8')
        blocks = re.findall(r'^```\{toctree\}\n(.*?)^```', text, re.DOTALL | re.MULTILINE)
        return [
            line for block in blocks for line in block.splitlines() if line[:1] not in ('', ':')
        ]

    docs = ROOT / 'docs'
    tables = [docs / 'index.md', *docs.glob('*/index.md')]
    entries = [
        str((page.parent / line).relative_to(docs)) for page in tables for line in listed(page)
    ]
    for page in docs.rglob('*.md'):
        name = str(page.relative_to(docs).with_suffix(''))
        known = name == 'index' or any(fnmatchcase(name, entry) for entry in entries)
        assert known, f'{name}: add it to a toctree of docs/index.md'


def test_api_pages_cover_what_is_registered():
    """Each registered class of the package is in the `__all__` of a package that has a page."""
    rooms = {
        room
        for page in ROOT.glob('docs/api/*.md')
        for room in re.findall(r'automodule:: (\S+)', page.read_text(encoding='utf-8'))
    }
    shown = {
        getattr(importlib.import_module(room), name)
        for room in rooms
        for name in importlib.import_module(room).__all__
    }
    own = {
        kind
        for registry in (
            DATASETS,
            DATA_SAMPLERS,
            HOOKS,
            LOOPS,
            METRICS,
            MODELS,
            OPTIM_WRAPPERS,
            OPTIM_WRAPPER_CONSTRUCTORS,
            TRANSFORMS,
        )
        for kind in registry.module_dict.values()
        if kind.__module__.startswith('mmseg_contrast.')
    }
    assert len(own) > 40 and own <= shown, sorted(kind.__name__ for kind in own - shown)
