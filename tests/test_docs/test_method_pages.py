"""The pages on the step and on one's own methods: their code runs, their paths and names exist."""

import importlib.util
import re
import textwrap
from pathlib import Path

import pytest
import torch
from helpers import CHANNELS, build, prepared, random_batch, semi_cfg, total_loss
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmseg.registry import HOOKS, LOOPS, MODELS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / 'docs'
PAGES = [DOCS / 'how_a_step_works.md', DOCS / 'add_a_method.md']
SLOTS = ('selector', 'mixing', 'unsup_loss', 'views', 'class_weights', 'auxiliary_head')


def blocks():
    """Each block of Python under a heading of its own, with the heading."""
    text = (DOCS / 'add_a_method.md').read_text(encoding='utf-8')
    for section in re.split(r'^### ', text, flags=re.MULTILINE)[1:]:
        for code in re.findall(r'^```python\n(.*?)^```', section, re.DOTALL | re.MULTILINE):
            yield pytest.param(code, id=section.partition('\n')[0])


@pytest.mark.parametrize('code', list(blocks()))
def test_a_step_runs_with_each_class_of_the_page(code):
    before = dict(MODELS.module_dict)
    try:
        names = {}
        exec(compile(code, 'block', 'exec'), names)
        (slot,) = names.keys() & set(SLOTS)
        (kind,) = MODELS.module_dict.keys() - before.keys()
        filling = names[slot]
        if slot == 'auxiliary_head':
            filling = [dict(filling[0], in_channels=CHANNELS, in_index=1)]
        cfg = {
            **semi_cfg(selector=None, mixing=None, auxiliary_head=None),
            'unsup_loss': {'type': 'ConsistencyLoss', 'hard': True},
            slot: filling,
        }
        model = build(ConfigDict(cfg))
        (part,) = (m for m in model.modules() if type(m).__name__ == kind and m.training)
        called = []
        if slot == 'auxiliary_head':
            part.projector.register_forward_hook(lambda *_: called.append(1))
        else:
            part.register_forward_hook(lambda *_: called.append(1))
        losses = model.loss(*prepared(model, random_batch()))
        total_loss(model, losses).backward()
    finally:
        for name in MODELS.module_dict.keys() - before.keys():
            MODELS.module_dict.pop(name)
    assert called
    assert all(torch.isfinite(loss) for loss in losses.values())
    changed = [name for name in losses if not name.startswith('sup.')]
    assert all(float(losses[name].detach()) > 0 for name in changed) and changed
    grads = [p.grad for p in model.parameters() if p.requires_grad]
    assert all(grad is not None and torch.isfinite(grad).all() for grad in grads)
    assert len(code.split('\n\n\n')[1].strip().splitlines()) <= 20, 'minimal'


def test_each_slot_has_its_block():
    assigned = {
        slot
        for block in blocks()
        for slot in SLOTS
        if re.search(rf'^{slot} =', block.values[0], re.MULTILINE)
    }
    assert assigned == set(SLOTS)


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_links_and_paths_of_the_pages_exist(page):
    text = page.read_text(encoding='utf-8')
    links = re.findall(r'\]\((?!http)([^)]+)\)', text)
    assert len(links) > 10
    for link in links:
        assert (page.parent / link).exists(), link
    for path in re.findall(r'(?<![\w/.-])(?:configs|tools|tests)/[\w./-]+\w', text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_classes_that_the_pages_name_are_registered(page):
    init_default_scope('mmseg')
    text = page.read_text(encoding='utf-8')
    own = set(re.findall(r'^class (\w+)', text, re.MULTILINE))
    bases = {
        'PixelTargets',
        'SemiStep',
        'LossLog',
        'SegDataSample',
        'EncoderDecoder',
        'Mixed',
        'None',
    }
    named = (
        set(re.findall(r'`([A-Z][a-z]+(?:[A-Z][A-Za-z]*)+|AELMask|CSCContrastHead)`', text))
        - own
        - bases
    )
    for name in named:
        assert any(registry.get(name) for registry in (MODELS, HOOKS, LOOPS)), name
    assert named


def test_quoted_code_is_that_of_the_file():
    quote = re.compile(r'<!-- from (\S+) -->\n\s*```python\n(.*?)\n\s*```', re.DOTALL)
    found = {}
    for page in DOCS.rglob('*.md'):
        found[page.name] = quote.findall(page.read_text(encoding='utf-8'))
        for path, code in found[page.name]:
            assert textwrap.dedent(code) in (ROOT / path).read_text(encoding='utf-8'), path
    assert found['add_a_method.md'] and found['get_started.md']


def test_the_table_of_methods_is_that_of_the_configs():
    """Each filling that the table names stands in the method's file, and no other of its slot."""
    text = (DOCS / 'how_a_step_works.md').read_text(encoding='utf-8')
    table = text.split('## What each method puts into the slots')[1].strip().split('\n\n')[0]
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines()]
    files = [re.search(r'\(\.\./(configs/[^)]+)\)', cell)[1] for cell in rows[0][1:]]
    rows = {row[0]: row[1:] for row in rows[2:]}
    for column, path in enumerate(files):
        cfg = Config.fromfile(ROOT / path, import_custom_modules=False)
        method = cfg[Path(path).stem]
        losses = method.unsup_loss
        perturbations = [view.perturbation for view in method.views if view.get('perturbation')]
        heads = [
            cfg[name] for name in ('c3_contrast', 'bank_contrast', 'csc_contrast') if name in cfg
        ]
        fillings = {
            '`selector`': [method.selector],
            '`mixing`': [method.mixing],
            '`unsup_loss`': losses if isinstance(losses, list) else [losses],
            '`class_weights`': [method.class_weights] if 'class_weights' in method else [],
            '`perturbation`': perturbations[:1],
            '`auxiliary_head`': heads,
            'its bank': [head.bank for head in heads if 'bank' in head],
        }
        expected = {row: [filling.type for filling in each] for row, each in fillings.items()}
        expected['`views`'] = [view.branch for view in method.views]
        for row, names in expected.items():
            found = re.findall(r'`(\w+)`', rows[row][column])
            # What else stands in a cell of the perturbations is the branch.
            assert found[: len(names)] == names and bool(found) == bool(names), (path, row)
        teacher = next(hook for hook in cfg.custom_hooks if hook.type == 'MeanTeacherHook')
        told = re.match(r'[\d.]+', rows['teacher: `momentum`'][column])[0]
        assert float(told) == teacher.momentum


def test_the_picture_is_drawn_from_a_step(tmp_path):
    spec = importlib.util.spec_from_file_location('step_picture', DOCS / 'pictures' / 'step.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not (ROOT / 'data' / 'mosaic' / 'lists').is_dir():
        pytest.skip('needs data/mosaic: python tools/dataset_converters/mosaic.py data/mosaic')
    tiles = module.run_step(None)
    mixed, sup = tiles['mixed_a'], tiles['sup']
    assert 0 < (mixed == sup).all(2).mean() < 1
    assert module.draw(tiles).startswith(b'\x89PNG')
