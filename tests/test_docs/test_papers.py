"""The pages that compare papers, published code and this code: each row is held by a test that exists."""

import ast
import csv
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(ROOT.glob('docs/papers/*.md'))
# No weights with this stem are available, so there is nothing to test.
UNTESTED = {'csc': {'stem and last stage of the ResNet-101'}}


def topics(page):
    """First cells of the rows of the tables that compare."""
    found, inside = [], False
    for line in page.read_text(encoding='utf-8').splitlines():
        inside = line.startswith('| topic |') or (inside and line.startswith('|'))
        if inside and not line.startswith(('| topic |', '| --- |')):
            found.append(line.strip('|').split(' | ')[0].strip())
    return found


def listed_tests(page):
    """Topic and test of each row of the page's list."""
    path = page.with_name(f'{page.stem}_tests.csv')
    with open(path, encoding='utf-8', newline='') as file:
        return [(row['topic'], row['test']) for row in csv.DictReader(file)]


def test_there_is_a_page_for_each_method():
    folders = {path.parent.name for path in ROOT.glob('configs/*/metafile.yaml')} - {'baselines'}
    assert {page.stem for page in PAGES} == folders


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_each_topic_has_a_test(page):
    here = topics(page)
    assert len(here) == len(set(here)) > 15
    listed = [topic for topic, _ in listed_tests(page)]
    tested = [topic for topic in here if topic not in UNTESTED.get(page.stem, ())]
    assert list(dict.fromkeys(listed)) == tested


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_each_test_exists(page):
    for topic, test in listed_tests(page):
        path, _, name = test.partition('::')
        tree = ast.parse((ROOT / 'tests' / path).read_text(encoding='utf-8'))
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        functions = {each for each in functions if each.startswith('test_')}
        assert name in functions if name else functions, (topic, test)


@pytest.mark.parametrize(
    'page', [*PAGES, *sorted(ROOT.glob('docs/notes/*.md'))], ids=lambda page: page.stem
)
def test_links_of_the_pages_exist(page):
    text = page.read_text(encoding='utf-8')
    links = re.findall(r'\]\((?!https?:)([^)#]+)', text)
    assert links
    for link in links:
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_the_readme_links_to_its_page(page):
    readme = ROOT / 'configs' / page.stem / 'README.md'
    assert f'../../docs/papers/{page.name}' in readme.read_text(encoding='utf-8')
