"""Every config: parses, builds, fits its data set, its name, its baseline and the READMEs."""

import argparse
import ast
import importlib.util
import re
from functools import cache
from pathlib import Path

import documents
import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config, DictAction
from mmengine.dataset import Compose
from mmengine.logging import MessageHub
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS
from PIL import Image
from torch.nn.modules.batchnorm import _BatchNorm

import mmseg_contrast  # noqa: F401
from mmseg_contrast.engine.checks.data import check_branches, check_classes
from mmseg_contrast.models.decode_heads import ContrastHead
from mmseg_contrast.models.decode_heads.decode_features import take_inputs
from mmseg_contrast.models.schedules import Ramp, in_iterations
from mmseg_contrast.structures import Features
from mmseg_contrast.tooling.overrides import read_config

ROOT = Path(__file__).parents[1]
CONFIG_FOLDER = ROOT / 'configs'
DOCUMENTED = sorted(path.parent.name for path in CONFIG_FOLDER.glob('*/metafile.yaml'))
# folders with stages have a test file of their own
FOLDERS = [name for name in DOCUMENTED if not list((CONFIG_FOLDER / name).glob('chain_*.py'))]
BASES = sorted(path.stem for path in (CONFIG_FOLDER / '_base_' / 'methods').glob('*.py'))
METHODS = [name for name in FOLDERS if name in BASES]
# runs that leave parts of a method out have no base of their own
METHOD_NAMES = [*METHODS, *(b.replace('_', '-') for b in BASES), 'sup', 'mean-teacher', 'cutmix']
CONFIGS = {p.stem: p for folder in FOLDERS for p in (CONFIG_FOLDER / folder).glob('*.py')}
NAME = re.compile(
    rf'(?P<method>{"|".join(METHOD_NAMES)})_('
    r'(?P<model>[a-z0-9]+(-[a-z]+)?(_[a-z0-9-]+)?(_frozen)?)_'
    r'((?P<gpus>\d+)xb(?P<batch>\d+)-(?P<length>\d+)k_)?'
    r'(?P<domain>gta5-)?(?P<data>[a-z0-9]+)(?P<protocol>-u2pl)?(?P<semi>-semi)?-'
    r'(?P<fraction>1by\d+|\d+|full)-(?P<crop>\d+x\d+)'
    r'(_(?P<variant>official|coco|strong-teacher))?|mosaic)'
)
CITYSCAPES = 'c3semiseg_deeplabv2_r101-d8_4xb8-25k_cityscapes-semi-1by8-256x512'
BUILT = {}
SEMI_KEYS = {
    'selector',
    'mixing',
    'unsup_loss',
    'class_weights',
    'views',
    'semi_train_cfg',
    'semi_test_cfg',
}
needs_torchvision = pytest.mark.skipif(
    importlib.util.find_spec('torchvision') is None,
    reason="MMPretrain's models import torchvision, which is not installed",
)


needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec('transformers') is None,
    reason='its backbone needs transformers, which is not installed',
)


@cache
def _load(path):
    return Config.fromfile(path, import_custom_modules=False)


def load(name):
    """A copy, since tests change it."""
    return _load(CONFIGS[name]).copy()


def configs(semi=None):
    """Names of the configs; those that need an optional package skip where it is absent."""
    names = [n for n in sorted(CONFIGS) if semi is None or is_semi(n) == semi]
    needs = {'convnext': needs_torchvision, 'dinov2': needs_transformers}
    return [
        pytest.param(n, marks=[mark for part, mark in needs.items() if part in n]) for n in names
    ]


def is_semi(name):
    return '-semi-' in name or (name.endswith('mosaic') and not name.startswith('sup_'))


def build(cfg):
    """Builds a model once; nets that allow it without memory and without drawing weights."""
    key = repr(cfg.model)
    if key not in BUILT:
        if 'mmpretrain.models' in cfg.custom_imports.imports:
            importlib.import_module('mmpretrain.models')
        backbone = cfg.model.backbone
        kind = backbone.get('of', backbone.type)
        light = any(part in kind for part in ('ResNet', 'STDC', 'Transformers'))
        device = torch.device('meta' if light else 'cpu')
        with device:
            BUILT[key] = MODELS.build(cfg.model), torch.zeros(2, 3, 64, 64, device=device)
    model, images = BUILT[key]
    return model.eval(), images


def check_forward(model, images, num_classes):
    stages = model.extract_feat(images)
    logits = model.decode_head.forward(stages)
    features = Features(
        stages, take_inputs(model.decode_head, getattr(model, 'decode_features', ()))
    )
    assert logits.shape[:2] == (len(images), num_classes)
    for head in model.auxiliary_head if model.with_auxiliary_head else []:
        if isinstance(head, ContrastHead):
            assert head.embed(features).shape[:2] == (len(images), head.channels)
        else:
            assert head.forward(stages).shape[:2] == (len(images), num_classes)
        assert head.num_classes == num_classes


def sources(cfg):
    dataset = cfg.train_dataloader.dataset
    return dataset.get('datasets', [dataset])


def bases(path):
    """The files that a config names in `_base_`."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == '_base_':
            value = ast.literal_eval(node.value)
            names = [value] if isinstance(value, str) else value
            return [(path.parent / name).resolve() for name in names]
    return []


def depth(path):
    return max((1 + depth(base) for base in bases(path)), default=0)


def ancestors(path):
    found = set(bases(path))
    return found.union(*(ancestors(base) for base in found))


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmseg')


# ------------------------------------------------------------------ each config alone


@pytest.mark.parametrize('name', configs())
def test_builds_for_the_classes_of_its_data(name):
    cfg = load(name)
    num_classes = len(DATASETS.get(sources(cfg)[0].type).METAINFO['classes'])
    model, images = build(cfg)
    check_forward(model, images, num_classes)
    assert is_semi(name) == hasattr(model, 'teacher')


@pytest.mark.parametrize('name', sorted(CONFIGS))
def test_name_says_what_it_is(name):
    cfg, path = load(name), CONFIGS[name]
    match = NAME.fullmatch(name)
    assert match, f'{name} does not follow the pattern of names'
    assert depth(path) <= 3
    method = match['method']
    assert path.parent.name == (method if method in METHODS else 'baselines')
    assert (len(sources(cfg)) > 1) == is_semi(name)
    if name.endswith('mosaic'):
        return
    assert (match['semi'] is not None) == is_semi(name)
    stems = {p.stem for p in ancestors(path)}
    assert match['model'] in stems
    assert any(stem == match['data'] or stem.startswith(f'{match["data"]}-') for stem in stems)
    assert (match['domain'] is not None) == any(s.type == 'GTA5Dataset' for s in sources(cfg))
    assert cfg.crop_size == tuple(int(side) for side in match['crop'].split('x'))
    if match['batch']:
        assert cfg.train_dataloader.batch_size == int(match['batch'])
        assert cfg.train_cfg.max_iters == 1000 * int(match['length'])
    protocol = f'{match["protocol"][1:]}_' if match['protocol'] else ''
    listed = f'data_lists/{match["data"]}/{protocol}{match["data"]}.0@{match["fraction"]}'
    lists = [f'{listed}.txt', f'{listed}-unlabeled.txt']
    if match['fraction'] == 'full':
        voc = match['data'] == 'voc12aug'
        lists = [f'{cfg.data_root}/ImageSets/Segmentation/trainaug.txt' if voc else ''] * 2
    target = [source.ann_file for source in sources(cfg) if source.type != 'GTA5Dataset']
    assert target == lists[: len(target)]
    assert cfg.labeled_list == lists[0]
    if match['data'] in ('camvid', 'msrc21'):
        assert all((ROOT / path).is_file() for path in lists if path)


@pytest.mark.parametrize('name', sorted(CONFIGS))
def test_has_what_the_tools_of_mmseg_read(name):
    cfg = load(name)
    assert cfg.default_scope == 'mmseg'
    assert 'mmseg_contrast' in cfg.custom_imports.imports
    # injected into SegTTAModel by --tta, hence complete
    assert cfg.data_preprocessor == cfg.model.data_preprocessor
    assert {'type', 'mean', 'std', 'bgr_to_rgb', 'pad_val', 'seg_pad_val'} <= set(
        cfg.data_preprocessor
    )
    assert cfg.data_preprocessor.size == cfg.crop_size
    # read by inference_model and by MMSegInferencer
    assert cfg.test_pipeline == cfg.test_dataloader.dataset.pipeline
    assert cfg.test_dataloader == cfg.val_dataloader
    assert cfg.test_evaluator == cfg.val_evaluator
    assert cfg.tta_model.type == 'SegTTAModel'
    assert cfg.tta_pipeline[-1].type == 'TestTimeAug'
    assert cfg.train_cfg.max_iters % cfg.train_cfg.val_interval == 0
    assert cfg.param_scheduler[-1].end == cfg.train_cfg.max_iters
    crops = [t.crop_size for s in sources(cfg) for t in s.pipeline if t.type == 'RandomCrop']
    assert crops == [cfg.crop_size] * len(sources(cfg))
    for hook in ('CheckSetupHook', 'StepSeedHook', 'FiniteLossHook'):
        assert dict(type=hook) in cfg.default_hooks.values()
    teachers = [h for h in cfg.get('custom_hooks', []) if h.type == 'MeanTeacherHook']
    assert len(teachers) == is_semi(name)
    # FixMatch's teacher is the student
    two = is_semi(name) and teachers[0].momentum < 1
    assert cfg.val_cfg.type == ('TeacherStudentValLoop' if two else 'ValLoop')


# ------------------------------------------------------------------ methods and their baselines


def baseline_of(name):
    """Name of the run on labels alone that a method is compared with."""
    loader = load(name).train_dataloader
    ratio = loader.sampler.source_ratio
    labeled = loader.batch_size * ratio[0] // sum(ratio)
    name = re.sub(f'^({"|".join(METHODS)}|)[^_]*', 'sup', name)
    name = name.replace('-semi', '').replace('gta5-', '')
    name = name.replace(f'xb{loader.batch_size}-', f'xb{labeled}-')
    return name if name in CONFIGS else re.sub('_(official|strong-teacher)$', '', name)


@pytest.mark.parametrize('name', [n for n in sorted(CONFIGS) if is_semi(n)])
def test_differs_from_its_baseline_in_the_method_alone(name):
    semi, sup = load(name), load(baseline_of(name))
    for key in (
        'optim_wrapper',
        'param_scheduler',
        'train_cfg',
        'val_dataloader',
        'val_evaluator',
        'test_dataloader',
        'tta_pipeline',
        'default_hooks',
        'randomness',
        'env_cfg',
    ):
        assert semi[key] == sup[key], key
    assert semi.get('sync_bn') == sup.get('sync_bn')

    ours, theirs = sources(semi)[0], sources(sup)[0]
    assert {**ours, 'pipeline': None} == {**theirs, 'pipeline': None}
    assert ours.pipeline[:-1] == theirs.pipeline[:-1]
    assert ours.pipeline[-1].sup == theirs.pipeline[-1:]
    ratio = semi.train_dataloader.sampler.source_ratio
    labeled = semi.train_dataloader.batch_size * ratio[0] / sum(ratio)
    assert labeled == sup.train_dataloader.batch_size

    plain = {k: v for k, v in semi.model.items() if k not in SEMI_KEYS | {'type'}}
    heads = [h for h in plain.pop('auxiliary_head', None) or [] if 'ContrastHead' not in h.type]
    expected = dict(sup.model)
    assert expected.pop('type') == 'EncoderDecoder'
    assert heads == (expected.pop('auxiliary_head', None) or [])
    for cfg in (plain, expected):
        cfg['data_preprocessor'] = {**cfg['data_preprocessor'], 'type': None}
    assert plain == expected


def test_every_baseline_belongs_to_a_method():
    methods = {baseline_of(name) for name in CONFIGS if is_semi(name)}
    ceilings = {name for name in CONFIGS if re.match('sup_.*-full-', name)}
    assert methods | ceilings == {name for name in CONFIGS if name.startswith('sup_')}


@pytest.mark.parametrize('name', [n for n in sorted(CONFIGS) if n[:6] in ('mean-t', 'cutmix')])
def test_mean_teacher_and_cutmix_leave_parts_out(name):
    cfg = load(name)
    c3 = load(re.sub('^[^_]+', 'c3semiseg', name))
    assert cfg.model.selector is None
    assert cfg.model.unsup_loss == c3.model.unsup_loss
    assert sources(cfg) == sources(c3)
    pairs = None if cfg.model.mixing is None else cfg.model.mixing.pairs
    assert pairs == ('intra' if name.startswith('cutmix') else None)
    assert not any(h.type == 'PixelContrastHead' for h in cfg.model.get('auxiliary_head') or [])


@pytest.mark.parametrize(
    'name',
    [
        n
        for n in sorted(CONFIGS)
        if n.startswith('unimatch_') and n.replace('unimatch', 'fixmatch') in CONFIGS
    ],
)
def test_unimatch_is_fixmatch_with_two_more_views(name):
    cfg, fixmatch = load(name), load(name.replace('unimatch', 'fixmatch'))
    views = cfg.model.views
    assert [view.branch for view in views] == ['strong', 'strong2', 'weak']
    assert [view.weight for view in views] == [0.25, 0.25, 0.5]
    assert [view.get('mix', True) for view in views] == [True, True, False]
    for key in ('selector', 'mixing', 'semi_train_cfg', 'unsup_loss'):
        assert cfg.model[key] == fixmatch.model[key], key
    ours, theirs = (sources(c)[1].pipeline for c in (cfg, fixmatch))
    assert ours[:-1] == theirs[:-1]
    assert ours[-1].strong2 == ours[-1].strong == theirs[-1].strong
    for each in (cfg, fixmatch):
        (hook,) = (h for h in each.custom_hooks if h.type == 'MeanTeacherHook')
        assert hook.momentum == 1.0


def test_unimatch_v2_is_fixmatch_with_an_ema_teacher_and_paired_views():
    cfg, fixmatch = load('unimatch-v2_mosaic'), load('fixmatch-ema_mosaic')
    dropout = dict(type='ComplementaryDropout')
    assert cfg.model.pop('views') == [
        dict(branch=branch, weight=0.5, perturbation=dropout) for branch in ('strong', 'strong2')
    ]
    assert fixmatch.model.pop('views') == [dict(branch='strong')]
    assert cfg.model == fixmatch.model and cfg.custom_hooks == fixmatch.custom_hooks
    plain = load('fixmatch_mosaic').model
    for key in ('selector', 'mixing', 'unsup_loss', 'semi_train_cfg'):
        assert fixmatch.model[key] == plain[key], key
    assert fixmatch.model.semi_test_cfg.predict_on == 'teacher'
    assert fixmatch.custom_hooks[0] == dict(type='MeanTeacherHook', momentum=0.004)


@pytest.mark.parametrize(
    ('data', 'epochs', 'unlabeled'),
    [
        ('voc12aug', 80, {'1by16': 9920, '1by8': 9259, '1by4': 7936, '1by2': 5291}),
        ('cityscapes', 200, {'1by16': 2789, '1by8': 2603}),
    ],
)
def test_csc_is_trained_as_published(data, epochs, unlabeled):
    for fraction, number in unlabeled.items():
        (name,) = (
            n for n in CONFIGS if re.match(f'csc_.*{data}-u2pl-semi-{fraction}-\\d+x\\d+$', n)
        )
        cfg = load(name)
        batch = cfg.train_dataloader.batch_size // 2
        assert cfg.train_cfg.max_iters == pytest.approx(epochs * number / batch, rel=0.005)
        voc = data == 'voc12aug'
        assert batch == (4 if voc else 2)
        assert cfg.crop_size == ((480, 480) if voc else (640, 640))
        optimizer = cfg.optim_wrapper.optimizer
        lr, decay = (2.5e-4, 1e-4) if voc else (1.25e-3, 5e-4)
        assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ('SGD', lr, decay)
        assert (cfg.param_scheduler[0].type, cfg.param_scheduler[0].power) == ('PolyLR', 0.9)
        model = cfg.model
        assert (model.selector.type, model.selector.threshold) == ('AELMask', 0.7 if voc else 0)
        assert (model.mixing.pairs, model.mixing.prob) == ('unlabeled', 1.0)
        assert model.unsup_loss.hard and model.semi_train_cfg.get('burn_in', 0) == 0
        hard = dict(type='BatchOHEMPixelSampler', thresh=0.7, min_kept=100000)
        (baseline,) = (
            n for n in CONFIGS if re.match(f'sup_.*{data}-u2pl-{fraction}-\\d+x\\d+$', n)
        )
        baseline = load(baseline)
        for each in (model, baseline.model):
            if voc:
                assert 'sampler' not in each.decode_head
            else:
                assert each.decode_head.sampler == each.auxiliary_head[0].sampler == hard
        contrast = model.auxiliary_head[-1]
        assert (contrast.temperature, contrast.top_n, contrast.loss_weight) == (0.1, 1, 1.0)
        assert (contrast.bank.size, contrast.enqueue_per_class) == (2000, 10)
        assert contrast.in_index == 'decode.classifier'
        built, _ = build(cfg)
        twin = [
            m
            for m in built.auxiliary_head[-1].projector.modules()
            if isinstance(m, torch.nn.Conv2d)
        ]
        assert [(m.in_channels, m.out_channels) for m in twin] == [
            (512, 256),
            (256, 256),
            (256, 256),
        ]


@pytest.mark.parametrize(
    ('name', 'weak'),
    [
        (
            'csc_deeplabv3plus_r101-d8_1xb4-260k_cityscapes-u2pl-semi-1by8-640x640',
            (3, 4, 5, 6, 7, 9, 11, 12, 14, 15, 16, 17, 18),
        ),
        (
            'csc_deeplabv3plus_r101-d8_1xb8-185k_voc12aug-u2pl-semi-1by8-480x480',
            (9, 18, 16, 11, 2, 4, 5, 20),
        ),
    ],
)
def test_official_of_csc_differs_where_the_readme_says(name, weak):
    paper, model = load(name).model, load(f'{name}_official').model
    changed = {key for key in model if model[key] != paper.get(key)}
    assert changed == {'selector', 'mixing', 'unsup_loss', 'auxiliary_head'}
    assert (model.selector.type, model.selector.keep_ratio) == ('EntropyPercentileMask', 0.8)
    assert (model.mixing.type, model.mixing.area) == ('RingCutMix', 0.5)
    assert model.unsup_loss.norm == 'coverage'
    assert model.auxiliary_head[:-1] == paper.auxiliary_head[:-1]
    contrast, theirs = model.auxiliary_head[-1], paper.auxiliary_head[-1]
    assert {key for key in contrast if contrast[key] != theirs.get(key)} == {
        'samples_per_class',
        'min_pixels',
        'enqueue',
        'anchor_filter',
        'between_halves',
        'fallback',
        'bank',
    }
    assert (contrast.anchor_filter, contrast.fallback) == ((0.1, 0.9), 'official')
    bank = contrast.bank
    assert (bank.gate, bank.gate_range, bank.min_fill, bank.size) == ('official', 1.0, 0.0, 2000)
    anchors = [64 if c in weak else 16 for c in range(model.decode_head.num_classes)]
    assert contrast.samples_per_class == anchors
    assert contrast.min_pixels == [number + 1 for number in anchors]


def test_method_moves_to_other_models_by_their_base_files():
    # without the variants, which change the method
    names = [
        n for n in CONFIGS if re.match(r'c3semiseg_.*_4xb8-25k_cityscapes-semi-1by8-\d+x\d+$', n)
    ]
    keys = SEMI_KEYS | {'type', 'data_preprocessor'}
    slots = [{k: v for k, v in load(n).model.items() if k in keys} for n in names]
    assert len(names) >= 3
    assert all(slot == slots[0] for slot in slots)


# ------------------------------------------------------------------ the paper and its code


def test_cityscapes_is_trained_as_published():
    cfg = load(CITYSCAPES)
    assert cfg.optim_wrapper == dict(
        type='OptimWrapper',
        optimizer=dict(type='Adam', lr=1.2e-4, weight_decay=0),
        paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.3))),
    )
    assert [(s.type, s.power, s.end) for s in cfg.param_scheduler] == [('PolyLR', 0.9, 25000)]
    model = cfg.model
    assert model.unsup_loss == dict(
        type='ConsistencyLoss',
        loss_weight=2.63,
        norm='image',
        ramp=dict(start='burn_in', length=4000),
    )
    assert model.unsup_loss.loss_weight == pytest.approx(50 / 19, abs=0.005)
    assert model.semi_train_cfg.burn_in == 2250
    assert (model.selector.keep_ratio, model.selector.momentum) == (0.8, 0.1)
    assert (model.mixing.pairs, model.mixing.area) == ('random', 0.5)
    (contrast,) = model.auxiliary_head
    assert (contrast.temperature, contrast.samples_per_class) == (0.15, 20)
    assert (contrast.loss_weight, contrast.ramp) == (0.1, dict(start=0, length=250))
    assert model.decode_head.dilations == (6, 12, 18, 24)
    # 4 GPUs with 4 labelled and 4 unlabelled images each; half of that for BDD100K
    assert cfg.train_dataloader.batch_size == 8
    bdd = load('c3semiseg_deeplabv2_r101-d8_4xb4-20k_bdd100k-semi-1by8-512x512')
    assert (bdd.train_dataloader.batch_size, bdd.train_cfg.max_iters) == (4, 20000)

    built, _ = build(cfg)
    norms = [m for m in built.train().modules() if isinstance(m, _BatchNorm)]
    assert len(norms) == 2 * 104
    assert not any(m.training or m.weight.requires_grad for m in norms)


def run_unlabeled(name, image_path, draws=20):
    pipeline = Compose(sources(load(name))[1].pipeline)
    draw = dict(img_path=str(image_path), seg_fields=[], reduce_zero_label=False, label_map=None)
    samples = [pipeline({**draw, 'seg_fields': []})['data_samples']['weak'] for _ in range(draws)]
    return torch.stack([sample.gt_sem_seg.data for sample in samples])


def test_official_is_the_published_code(tmp_path):
    official = f'{CITYSCAPES}_official'
    cfg = load(official)
    (contrast,) = cfg.model.auxiliary_head
    assert contrast.exclude_classes == (0,)
    assert (contrast.base_temperature, contrast.min_pixels) == (0.1, 21)
    assert (contrast.key_gradient, contrast.gather_keys) == (True, False)
    hooks = {hook.type: hook for hook in cfg.custom_hooks}
    assert hooks['MeanTeacherHook'].early_average == 4
    # Eq. 1 and 2 are means of each image; the code's are those of all pixels
    for name, norm in ((official, 'valid'), (CITYSCAPES, 'image')):
        model = load(name).model
        assert model.unsup_loss.norm == model.decode_head.loss_decode.norm == norm
    assert (cfg.model.decode_head.dilations, cfg.model.decode_head.align_corners) == ((6, 12), True)
    assert cfg.model.backbone.style == 'caffe'
    assert cfg.model.semi_test_cfg.predict_on == 'student'
    orders = [[t.type for t in source.pipeline[2:6]] for source in sources(cfg)]
    assert orders == [
        ['Resize', 'RandomCrop', 'RandomFlip', 'RandomRotate'],
        ['RandomRotate', 'Resize', 'RandomCrop', 'RandomFlip'],
    ]

    image, mask = tmp_path / 'image.png', tmp_path / 'mask.png'
    Image.fromarray(np.full((128, 256, 3), 200, np.uint8)).save(image)
    Image.fromarray(np.full((128, 256), 3, np.uint8)).save(mask)
    # the border of the rotation counts as image there, and nowhere else
    assert (run_unlabeled(official, image) == 0).all()
    assert (run_unlabeled(CITYSCAPES, image) == 255).any()

    # labels at the size of the prediction; otherwise at their own
    for name, size in ((official, (512, 1024)), (CITYSCAPES, (128, 256))):
        sample = Compose(load(name).test_pipeline)(
            dict(
                img_path=str(image),
                seg_map_path=str(mask),
                seg_fields=[],
                reduce_zero_label=False,
                label_map=None,
            )
        )
        assert sample['inputs'].shape[1:] == (512, 1024)
        assert sample['data_samples'].ori_shape == size
        assert sample['data_samples'].gt_sem_seg.data.shape[1:] == size


def test_the_strong_teacher_has_a_view_of_its_own(tmp_path):
    cfg = load(f'{CITYSCAPES}_strong-teacher')
    assert cfg.model.semi_train_cfg.teacher_view == 'strong2'
    assert cfg.model.auxiliary_head is None
    image = tmp_path / 'image.png'
    noise = np.random.default_rng(0).integers(0, 255, (64, 128, 3), np.uint8)
    Image.fromarray(noise).save(image)
    pipeline = Compose(sources(cfg)[1].pipeline)
    draw = dict(img_path=str(image), seg_fields=[], reduce_zero_label=False, label_map=None)
    views = pipeline(draw)['inputs']
    assert len({views[name].float().mean().item() for name in ('weak', 'strong', 'strong2')}) == 3


# ------------------------------------------------------------------ the class-wise memory bank

BANK = 'memory_bank_deeplabv2_r101-d8_1xb7-150k_cityscapes-semi-1by%s-512x512'


def test_memory_bank_is_trained_as_published():
    cfg = load(BANK % 30)
    assert cfg.optim_wrapper.optimizer == dict(type='SGD', lr=2e-4, momentum=0.9, weight_decay=5e-4)
    assert [(s.type, s.power, s.end) for s in cfg.param_scheduler] == [('PolyLR', 0.9, 150000)]
    pseudo, entropy = cfg.model.unsup_loss
    assert (pseudo.loss_weight, pseudo.norm, pseudo.ramp) == (1.0, 'all', dict(start=2000))
    assert (entropy.type, entropy.loss_weight) == ('EntropyLoss', 0.01)
    assert cfg.model.selector.power == 6
    (contrast,) = cfg.model.auxiliary_head
    assert (contrast.loss_weight, contrast.bank.size, contrast.confidence) == (0.1, 256, 0.95)
    assert (contrast.bank_start, contrast.ramp) == (1000, dict(start=2000))
    teacher = next(hook for hook in cfg.custom_hooks if hook.type == 'MeanTeacherHook')
    assert (teacher.momentum, teacher.schedule) == (0.005, 'cosine')
    weak, strong = cfg.model.mixing.weak, cfg.model.mixing.strong
    table_1 = ('flip', 'resize', 'jitter', 'brightness', 'contrast', 'saturation', 'hue')
    assert [weak[k] for k in table_1] == [0.5, 0.5, 0.2, 0.15, 0.15, 0.075, 0.05]
    assert [strong[k] for k in table_1] == [0.5, 0.8, 0.8, 0.3, 0.3, 0.15, 0.1]
    assert (weak.class_mix, strong.class_mix, weak.get('blur', 0), strong.blur) == (
        0.2,
        0.8,
        0,
        0.2,
    )
    assert cfg.train_dataloader.sampler.source_ratio == [5, 2] and cfg.model.mixing.num_views == 2
    assert cfg.crop_size == (512, 512)

    v3 = load('memory_bank_deeplabv3plus_r50-d16_1xb10-150k_cityscapes-semi-1by8-512x512')
    assert v3.optim_wrapper.optimizer.lr == 4e-4
    assert v3.train_dataloader.sampler.source_ratio == [7, 3]
    v3 = load('memory_bank_deeplabv3plus_r50-d16_1xb30-150k_voc12aug-semi-1by50-321x321')
    assert v3.optim_wrapper.optimizer.lr == 4e-4
    assert v3.train_dataloader.sampler.source_ratio == [20, 10]
    assert v3.model.class_weights is None and v3.model.mixing.background == 0
    voc = load('memory_bank_deeplabv2_r101-d8_1xb21-150k_voc12aug-semi-1by50-321x321')
    assert voc.model.class_weights is None and voc.model.mixing.background == 0
    assert voc.train_dataloader.sampler.source_ratio == [14, 7]


@pytest.mark.parametrize('name', [n for n in sorted(CONFIGS) if n.endswith('_coco')])
def test_coco_weights_are_those_of_caffe(name):
    cfg = load(name)
    assert cfg.model.backbone.init_cfg == dict(
        type='Pretrained', checkpoint='pretrained/resnet101COCO-41f33a49.pth'
    )
    assert cfg.model.backbone.style == 'caffe'
    preprocessor = cfg.data_preprocessor
    assert not preprocessor.bgr_to_rgb and preprocessor.std == [1, 1, 1]
    # blue, green, red: the blue of photographs is the darkest
    assert preprocessor.mean == sorted(preprocessor.mean)
    model, _ = build(cfg)
    if is_semi(name):
        assert model.mixing.bgr
    # torchvision's names of the parts, as in the file
    keys = {
        'conv1.weight',
        'bn1.running_mean',
        'layer3.22.conv2.weight',
        'layer4.0.downsample.0.weight',
    }
    assert keys <= model.backbone.state_dict().keys()


def test_deeplabv3plus_is_the_papers_and_mmsegs_a_variant():
    name = 'memory_bank_deeplabv3plus_r50-{}_1xb10-150k_cityscapes-semi-1by8-512x512'
    found = {}
    for form in ('d16', 'd8'):
        model, images = build(load(name.format(form)))
        *others, contrast = model.auxiliary_head
        stages = model.extract_feat(images)
        model.decode_head.forward(stages)
        feature = take_inputs(model.decode_head, model.decode_features)['decode']
        found[form] = {
            'stride': images.shape[2] // stages[-1].shape[2],
            'feature': (feature.shape[1], images.shape[2] // feature.shape[2]),
            'rates': tuple(model.decode_head.dilations),
            'others': len(others),
            'stem': type(model.backbone).__name__,
        }
        assert contrast.projector.layers[0].in_channels == feature.shape[1]
    paper = {'stride': 16, 'feature': (256, 4), 'rates': (1, 6, 12, 18), 'others': 0}
    assert found['d16'] == {**paper, 'stem': 'ResNet'}
    mmseg = {'stride': 8, 'feature': (512, 4), 'rates': (1, 12, 24, 36), 'others': 1}
    assert found['d8'] == {**mmseg, 'stem': 'ResNetV1c'}


OFFICIAL_BANKS = {
    # views of a step, learning rate, weight of the contrast, factor of rows, weak ClassMix, early average
    f'{BANK % 30}_official': (4, 2e-4, 0.1, 1, 0.2, 10),
    'memory_bank_deeplabv3plus_r50-d16_1xb10-150k_cityscapes-semi-1by8-512x512_official': (
        6,
        4e-4,
        0.1,
        1,
        0.2,
        10,
    ),
    'memory_bank_deeplabv2_r101-d8_1xb21-150k_voc12aug-semi-1by8-321x321_official': (
        14,
        2e-4,
        0.1,
        7,
        0.2,
        10,
    ),
    'memory_bank_deeplabv2_r101-d8_1xb12-150k_gta5-cityscapes-semi-1by30-512x512_official': (
        4,
        2e-4,
        0.2,
        1,
        0.25,
        1,
    ),
}


@pytest.mark.parametrize(('name', 'numbers'), OFFICIAL_BANKS.items())
def test_memory_bank_official_is_the_published_code(name, numbers):
    views, lr, loss_weight, rows_factor, class_mix, early_average = numbers
    cfg, paper = load(name), load(name.removesuffix('_official'))
    voc = 'voc' in name
    (contrast,) = cfg.model.auxiliary_head
    assert (contrast.rank, contrast.memory_attention) == ('lowest', False)
    assert (contrast.bank_update, contrast.get('max_pixels')) == ('before', None)
    assert (contrast.loss_weight, contrast.get('rows_factor', 1)) == (loss_weight, rows_factor)
    mixing, table = cfg.model.mixing, paper.model.mixing
    assert mixing.shared_coins and mixing.extra_class
    assert (mixing.weak.class_mix, mixing.strong.class_mix) == (class_mix, 0.75)
    for view in ('weak', 'strong'):
        for key in ('brightness', 'contrast', 'saturation', 'hue'):
            assert mixing[view][key] == pytest.approx(table[view][key] / 1.2, abs=1e-4)
    assert cfg.model.unsup_loss[0].ramp == dict(start=0, length=2000)
    # by a slip as many times as there are views
    number = cfg.model.decode_head.num_classes
    entropy = cfg.model.unsup_loss[1].loss_weight
    assert entropy == pytest.approx(0.01 * views / np.log(number), abs=1e-4)
    batch = cfg.train_dataloader.sampler.source_ratio
    assert views == cfg.model.mixing.num_views * batch[-1]
    assert cfg.model.semi_train_cfg.teacher_norm == 'batch'
    if voc:
        assert cfg.model.class_weights is None and cfg.model.mixing.background == 0
    else:
        assert cfg.model.class_weights.unit == 'pixel'
    assert cfg.model.decode_head.loss_decode.norm == 'class_weight'
    assert cfg.model.decode_head.align_corners
    if 'deeplabv2' in name:
        assert cfg.model.decode_head.dilations == (6, 12)
    norms = [m for m in build(cfg)[0].train().backbone.modules() if isinstance(m, _BatchNorm)]
    assert all(m.training and not m.weight.requires_grad for m in norms) and norms
    assert cfg.data_preprocessor.std == [255.0] * 3
    assert cfg.data_preprocessor.mean[0] == (122.679 if voc else 73.158)
    (teacher,) = (h for h in cfg.custom_hooks if h.type == 'MeanTeacherHook')
    assert (teacher.early_average, teacher.schedule, teacher.momentum) == (
        early_average,
        'cosine',
        0.005,
    )
    keys = cfg.optim_wrapper.paramwise_cfg.custom_keys
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(3 * lr)
    assert paper.optim_wrapper.optimizer.lr == lr
    assert (3 * keys.auxiliary_head.lr_mult, 3 * keys['backbone.conv1'].lr_mult) == (2, 1)
    # nothing but the method
    assert sources(cfg) == sources(paper)
    assert cfg.param_scheduler == paper.param_scheduler


def test_memory_bank_adapts_from_gta5():
    cfg = load(BANK.replace('xb7', 'xb12').replace('_cityscapes', '_gta5-cityscapes') % 30)
    assert [source.type for source in sources(cfg)] == [
        'CityscapesDataset',
        'GTA5Dataset',
        'UnlabeledDataset',
    ]
    assert list(sources(cfg)[1].pipeline[-1]) == ['type', 'branch_field', 'source']
    assert cfg.train_dataloader.sampler.source_ratio == [5, 5, 2]


def test_memory_bank_ablations_are_those_of_the_tables():
    found = {}
    for param in overrides():
        name, options = param.values
        if name == f'{BANK % 30}_coco':
            for key, value in options.items():
                found.setdefault(key, []).append(value)
    head = 'bank_contrast'
    assert len(found['model.unsup_loss']) == 2 and found['model.auxiliary_head'] == [None] * 4
    assert found[f'{head}.loss_weight'] == [1e4, 1e2, 10, 1, 0.01, 1e-4]
    assert found[f'{head}.bank.size'] == [32, 64, 128, 512]
    assert found[f'{head}.bank_features'] == ['student'] * 3
    assert found[f'{head}.attention'] == [False] * 3
    assert found[f'{head}.confidence'] == [None] * 3


def test_csc_ablations_are_those_of_the_tables():
    """Tables VI and VII vary "bank and Top-N" of Table IV, without the module: their best is its 78.47."""
    found = {}
    for param in overrides():
        name, options = param.values
        found.setdefault(name, []).append(options)
    without = {'bank.consistency': False, 'bank.gate': None}
    tables = {
        'csc_deeplabv3plus_r101-d8_1xb4-260k_cityscapes-u2pl-semi-1by8-640x640': [],
        'csc_deeplabv3plus_r101-d8_1xb8-185k_voc12aug-u2pl-semi-1by8-480x480': [
            {'top_n': 3, **without},
            {'top_n': 5, **without},
            {'top_n': 10, **without},
            {'bank.size': 1000, 'enqueue_per_class': 20, **without},
            {'enqueue_per_class': 20, **without},
            {'enqueue_per_class': 30, **without},
            {'bank.size': 3000, 'enqueue_per_class': 20, **without},
        ],
    }
    ladder = [
        {'loss_weight': 0},
        {'bank': None, 'top_n': None},
        {'top_n': None, **without},
        without,
    ]
    for name, more in tables.items():
        expected = [
            {f'contrast.{key}': value for key, value in row.items()} for row in ladder + more
        ]
        assert found[name][: len(expected)] == expected
    # what the config has without an override
    bank = load(name).model.auxiliary_head[0]
    assert (bank.top_n, bank.bank.size, bank.enqueue_per_class) == (1, 2000, 10)


# ------------------------------------------------------------------ READMEs and metafiles


def readme(folder):
    return (ROOT / 'configs' / folder / 'README.md').read_text(encoding='utf-8')


def pages(folder):
    """The README of a folder, and the page that compares its paper with the code."""
    page = ROOT / 'docs' / 'papers' / f'{folder}.md'
    return readme(folder) + (page.read_text(encoding='utf-8') if page.is_file() else '')


def commands(folder):
    """The commands of the bash blocks of both, with their variables put in."""
    return list(documents.commands(pages(folder)))


def overrides():
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    for words in [words for method in METHODS for words in commands(method)]:
        if '--cfg-options' in words:
            config = next(word for word in words if word.endswith('.py') and 'configs/' in word)
            split = words.index('--cfg-options')
            options = parser.parse_args(words[split:]).cfg_options
            name = words[words.index('--work-dir') + 1].removeprefix('work_dirs/')
            yield pytest.param(Path(config).stem, options, id=name)


@pytest.mark.parametrize('name,options', list(overrides()))
def test_ablations_change_config_and_model(name, options):
    cfg = read_config(CONFIGS[name], options)
    assert cfg.to_dict() != load(name).to_dict()
    model, images = build(cfg)
    check_forward(model, images, cfg.model.decode_head.num_classes)
    for key, value in options.items():
        first, *path = key.split('.')
        if first.endswith('contrast'):
            part = model.auxiliary_head[-1]
        elif first.endswith('_loss'):
            part = model.unsup_loss[['pseudo_loss', 'entropy_loss'].index(first)]
        elif first == 'model':
            part = model
        else:
            continue
        for step in path:
            if isinstance(part, torch.nn.ModuleList) and not step.isdigit():
                (part,) = part  # a config may give the one entry of a list without the list
            part = part[int(step)] if step.isdigit() else getattr(part, step, None)
        if value is None and isinstance(part, torch.nn.ModuleList):
            value = []  # no loss is an empty list of them
            part = tuple(part)
        assert part == (tuple(value) if isinstance(value, list) else value)


def trainings():
    """Each training of a README that overrides its config's length."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    for folder in ('..', *DOCUMENTED):
        for words in commands(folder):
            options = words[words.index('--cfg-options') :] if '--cfg-options' in words else []
            options = parser.parse_args(options).cfg_options or {}
            configs = [word for word in words if re.fullmatch(r'configs/.*/(?!chain_).*\.py', word)]
            if configs and any('max_iters' in key or 'burn_in' in key for key in options):
                yield pytest.param(configs[0], options, id=Path(configs[0]).stem)


@pytest.mark.parametrize('config,options', list(trainings()))
def test_schedules_of_the_readmes_commands_end_with_the_run(config, options):
    cfg = read_config(ROOT / config, options)
    total = cfg.train_cfg.max_iters
    assert cfg.param_scheduler[-1].end == total
    if 'semi_train_cfg' in cfg.model:
        used, full = shares_of_the_training(cfg.model, total)
        assert used >= 0.6 and full >= 0.68


def test_no_readme_lengthens_a_run_without_its_learning_rate():
    pattern = re.compile(r'(train_cfg\.)?\bmax_iters=\d+')
    found = 0
    for folder in ('..', *DOCUMENTED):
        text = pages(folder).replace('\\\n', ' ')
        for line in text.splitlines():
            for setting in pattern.findall(line):
                # the schedule follows the variable alone
                assert not setting, (folder, line)
                found += 1
    assert found >= 4


def test_ablations_are_those_of_the_tables():
    found = {}
    for param in overrides():
        name, options = param.values
        if name == CITYSCAPES:
            for key, value in options.items():
                found.setdefault(key, []).append(value)
    assert found['model.unsup_loss'] == [None]
    # Tables 5 to 7 are without contrast
    assert found['model.auxiliary_head'] == [None] * 10
    assert found['c3_contrast.sources'] == [['labeled'], ['unlabeled']]
    assert found['c3_contrast.sampling'] == ['random']
    assert found['model.mixing'] == [None]
    assert found['model.mixing.pairs'] == ['intra', 'cross']
    assert found['model.views.0.branch'] == ['weak']
    assert found['model.selector.keep_ratio'] == [0.4, 0.6, 0.9, 1.0]


def test_without_randaugment_the_colours_still_change():
    options = {p.id: p.values[1] for p in overrides()}
    cfg = read_config(CONFIGS[CITYSCAPES], options['c3_wo-randaugment'])
    jitter, augment = sources(cfg)[1].pipeline[6].strong[:2]
    assert (augment.type, augment.prob) == ('RandAugmentColor', 0)
    assert jitter.type == 'ColorJitter' and 'prob' not in jitter


def test_the_recipe_of_the_main_readme_is_a_whole_config(tmp_path):
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    [recipe] = re.findall(r'```python\n(.*?)```', text, re.DOTALL)
    path = tmp_path / 'recipe.py'
    path.write_text(recipe.replace("'../_base_", f"'{ROOT}/configs/_base_"), encoding='utf-8')
    cfg = Config.fromfile(path)
    model = MODELS.build(cfg.model)
    parts = [DATASETS.build({**each, 'lazy_init': True}) for each in sources(cfg)]
    assert check_branches(parts, model) == check_classes(parts, model) == []
    used, full = shares_of_the_training(cfg.model, cfg.train_cfg.max_iters)
    # from 30 % on with a ramp of 30 %
    assert (used, full) == (pytest.approx(0.7), pytest.approx(0.4))


def shares_of_the_training(model, total):
    """Shares of the iterations in which the pseudo-labels have a weight, and their whole weight."""
    MessageHub.get_current_instance().update_info('max_iters', total)
    losses = model.unsup_loss if isinstance(model.unsup_loss, list) else [model.unsup_loss]
    ramp = Ramp(**losses[0].get('ramp', {}))
    ramp.follow_burn_in(model.semi_train_cfg.get('burn_in', 0))
    burn_in = in_iterations(model.semi_train_cfg.get('burn_in', 0))
    weights = np.array([ramp(i) * (i >= burn_in) for i in range(0, total, total // 1000)])
    return (weights > 0).mean(), (weights == 1).mean()


@pytest.mark.parametrize('name', sorted(n for n in CONFIGS if is_semi(n)))
def test_unlabelled_images_count_for_most_of_the_training(name):
    cfg = load(name)
    if cfg.model.get('unsup_loss') is not None:
        used, full = shares_of_the_training(cfg.model, cfg.train_cfg.max_iters)
        # 2,250 + 4,000 of 20,000 iterations at least, but for runs of 1,000
        short = cfg.train_cfg.max_iters == 1000
        assert used >= 0.6 and full >= (0.2 if short else 0.68)


@pytest.mark.parametrize('folder', DOCUMENTED)
def test_readme_has_results_and_names_configs_that_exist(folder):
    text = readme(folder)
    assert '## Results' in text and '<!-- results -->' in text
    for name in re.findall(r'`(?:\.\./\w+/)?(\w[^`/ ]*\{[^`]+\.py)`', text):
        for each in expand_braces(name):
            assert list((ROOT / 'configs').glob(f'*/{each}')), each


def expand_braces(name):
    """The names that a shell makes of `a-{b,c}`."""
    head, brace, rest = name.partition('{')
    if not brace:
        return [name]
    middle, _, tail = rest.partition('}')
    return [head + each + end for each in middle.split(',') for end in expand_braces(tail)]


@pytest.mark.parametrize('folder', DOCUMENTED)
def test_a_person_can_read_the_readme(folder):
    # a benchmark's tables grow with its runs
    text = re.sub('(?s)(<!-- benchmark:).*?<!-- /benchmark -->', '', readme(folder))
    lines = text.splitlines()
    assert len(lines) <= 150
    assert [line for line in lines if len(line) > 140 and not line.startswith('> [')] == []


@pytest.mark.parametrize('folder', DOCUMENTED)
def test_metafile_lists_every_config(folder):
    meta = yaml.safe_load((ROOT / 'configs' / folder / 'metafile.yaml').read_text(encoding='utf-8'))
    collections = {collection['Name'] for collection in meta['Collections']}
    listed = {model['Name']: model for model in meta['Models']}
    here = {path.stem: path for path in (ROOT / 'configs' / folder).glob('*.py')}
    assert set(listed) == set(here)
    for name, model in listed.items():
        assert model['In Collection'] in collections
        assert ROOT / model['Config'] == here[name]
    for collection in meta['Collections']:
        assert (ROOT / collection['README']).is_file()
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text(encoding='utf-8'))
    assert f'configs/{folder}/metafile.yaml' in index['Import']
