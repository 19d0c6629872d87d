"""Recipes: what they share, what each puts on top, and that a net and a data set complete them."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

import mmseg_contrast  # noqa: F401

ROOT = Path(__file__).parents[1]
BASES = ROOT / 'configs' / '_base_'
RECIPES = sorted(
    path.stem for path in (BASES / 'recipes').glob('*.py') if not path.stem.endswith('recipe')
)
LABELS_ALONE = ['pretrain', 'supervised']
SEMI = [name for name in RECIPES if name not in LABELS_ALONE]
LEAF = """
from mmseg_contrast.datasets.loaders import train_loader

data_preprocessor = dict(type=_base_.preprocessor, size=_base_.crop_size)
decode_head = dict(num_classes=_base_.num_classes)
model = dict(**_base_.method, data_preprocessor=data_preprocessor, decode_head=decode_head)
train_dataloader = train_loader(globals())
"""


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmseg')


@pytest.fixture(scope='module')
def compose(tmp_path_factory):
    folder = tmp_path_factory.mktemp('recipes')

    def compose(recipe, data='msrc21'):
        files = [f'recipes/{recipe}.py', 'models/mobilenetv2.py', f'datasets/{data}.py']
        path = folder / f'{recipe}_{data}.py'
        path.write_text(f'_base_ = {[str(BASES / name) for name in files]}\n{LEAF}')
        return Config.fromfile(path)

    return compose


@pytest.mark.parametrize('data', ['camvid', 'msrc21'])
@pytest.mark.parametrize('recipe', RECIPES)
def test_all_share_what_is_not_the_method(compose, recipe, data):
    cfg, plain = compose(recipe, data), compose('supervised', data)
    for key in ('optim_wrapper', 'train_cfg', 'val_dataloader', 'default_hooks', 'randomness'):
        if (recipe, key) != ('pretrain', 'train_cfg'):
            assert cfg[key] == plain[key], key
    assert recipe == 'pretrain' or cfg.param_scheduler == plain.param_scheduler
    assert cfg.param_scheduler[0].end == cfg.train_cfg.max_iters == 1000
    for part in ('backbone', 'decode_head'):
        assert cfg.model[part] == plain.model[part]
    loader = cfg.train_dataloader
    ratio = loader.sampler.source_ratio
    assert loader.batch_size * ratio[0] / sum(ratio) == 4
    labeled, *unlabeled = loader.dataset.datasets
    own = plain.train_dataloader.dataset.datasets[0]
    assert labeled.pipeline[:-1] == own.pipeline[:-1]
    assert all(source.pipeline[2:-1] == own.pipeline[2:-1] for source in unlabeled)
    assert len(unlabeled) == (recipe in SEMI)


@pytest.mark.parametrize('recipe', SEMI)
def test_one_burn_in_one_ramp_and_no_class_weights(compose, recipe):
    model = compose(recipe).model
    assert model.semi_train_cfg == dict(burn_in=0.3)
    losses = model.unsup_loss if isinstance(model.unsup_loss, list) else [model.unsup_loss]
    assert all(loss.ramp == dict(start='burn_in', length=0.3) for loss in losses)
    assert model.get('class_weights') is None
    assert 'class_weight' not in model.decode_head.loss_decode


@pytest.mark.parametrize('recipe', SEMI)
def test_strong_views_are_those_of_unimatch_v2(compose, recipe):
    pipeline = compose(recipe).train_dataloader.dataset.datasets[1].pipeline[-1]
    jitter, gray, blur = compose('unimatch_v2').strong.values()
    assert [jitter[key] for key in ('brightness', 'contrast', 'saturation', 'hue', 'prob')] == [
        0.5,
        0.5,
        0.5,
        0.25,
        0.8,
    ]
    assert (gray.prob, blur.prob) == (0.2, 0.5)
    views = [steps for branch, steps in pipeline.items() if branch.startswith('strong')]
    assert all(steps[:-1] == [jitter, gray, blur] for steps in views)
    # the views of the memory bank are made by its mixing
    assert len(views) == (0 if recipe == 'memory_bank' else 1 + recipe.startswith('unimatch'))


@pytest.mark.parametrize('recipe', RECIPES)
def test_builds_and_has_the_branches_that_it_reads(compose, recipe):
    cfg = compose(recipe)
    cfg.model.backbone.init_cfg = None
    model = MODELS.build(cfg.model)
    if recipe in SEMI:
        pipeline = cfg.train_dataloader.dataset.datasets[1].pipeline[-1]
        assert model.branches == set(pipeline) - {'type', 'branch_field'}
        widths = {head.in_channels for _, head in model.contrast_heads()}
        assert widths <= {cfg.model.decode_head.channels}


@pytest.mark.parametrize('part', ['c3-contrast', 'bank-contrast', 'csc-contrast', 'dcrs'])
def test_what_is_added_to_unimatch_v2_is_that_of_the_method(compose, part):
    ours, plain = compose(f'unimatch_v2_{part}').model, compose('unimatch_v2').model
    if part == 'dcrs':
        c3 = compose('c3semiseg').model
        for key in ('selector', 'mixing'):
            assert ours.pop(key) == c3[key]
            plain.pop(key)
    else:
        method = {'c3': 'c3semiseg', 'bank': 'memory_bank', 'csc': 'csc'}[part.split('-')[0]]
        (head,), (theirs,) = ours.pop('auxiliary_head'), compose(method).model.auxiliary_head
        built = [MODELS.build(dict(h, num_classes=21, in_channels=128)) for h in (head, theirs)]
        assert len({type(each) for each in built}) == 1
        for name in ('temperature', 'samples_per_class', 'loss_weight', 'confidence', 'channels'):
            assert getattr(built[0], name, None) == getattr(built[1], name, None), name
        assert vars(built[0].ramp) == vars(built[1].ramp)
    assert ours == plain
