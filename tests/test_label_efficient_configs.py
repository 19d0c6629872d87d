"""The configs of label-efficient pretraining: stages fit each other, the paper's settings are there."""

import argparse
import re
import shlex
from pathlib import Path

import pytest
import torch
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS

import mmseg_contrast  # noqa: F401
from mmseg_contrast.engine.checks.checkpoint import check_state_dict
from mmseg_contrast.pseudo_labels.label_rule import LabelRule
from mmseg_contrast.tooling.chain import TRAINED, read_chain
from mmseg_contrast.tooling.overrides import read_config

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / 'configs' / 'label_efficient'
CONFIGS = {p.stem: p for p in FOLDER.glob('*.py') if not p.stem.startswith('chain')}
CHAINS = sorted(p.stem for p in FOLDER.glob('chain_*.py'))
NAME = re.compile(
    r'(?P<stage>pretrain|finetune|scratch)_((?P<model>[a-z0-9]+(_[a-z0-9-]+)?)_'
    r'((?P<gpus>\d+)xb(?P<batch>\d+)-(?P<length>\d+)k_)?'
    r'(?P<data>[a-z0-9]+)(?P<semi>-semi)?-(?P<amount>1by\d+|\d+|full)-(?P<crop>\d+x\d+)'
    r'|mosaic(?P<semi2>-semi)?)'
)
CITYSCAPES = 'deeplabv3plus_r50-d16_4xb4-{}k_cityscapes-{}-513x513'
LOADED = {}
BUILT = {}


def load(name):
    """A copy, since tests change it."""
    if name not in LOADED:
        LOADED[name] = Config.fromfile(CONFIGS[name], import_custom_modules=False)
    return LOADED[name].copy()


def build(cfg):
    key = repr(cfg.model)
    if key not in BUILT:
        with torch.device('meta'):
            BUILT[key] = MODELS.build(cfg.model)
    return BUILT[key]


def sources(cfg):
    return cfg.train_dataloader.dataset.datasets


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmseg')


@pytest.mark.parametrize('name', sorted(CONFIGS))
def test_builds_and_says_what_it_is(name):
    cfg, match = load(name), NAME.fullmatch(name)
    assert match, f'{name} does not follow the pattern of names'
    stage, semi = match['stage'], match['semi'] or match['semi2']
    number = len(DATASETS.get(sources(cfg)[0].type).METAINFO['classes'])
    assert cfg.model.decode_head.num_classes == number
    model = build(cfg)
    with torch.device('meta'):
        output = model(torch.zeros(2, 3, 65, 65, device='meta'))
    pretrain = stage == 'pretrain'
    assert type(model).__name__ == ('ContrastivePretrainer' if pretrain else 'EncoderDecoder')
    assert output.shape[1] == (model.projector.layers[0].in_channels if pretrain else number)
    assert cfg.data_preprocessor == cfg.model.data_preprocessor
    assert cfg.data_preprocessor.size == cfg.crop_size
    assert (cfg.val_cfg is None) == (cfg.val_dataloader is None) == pretrain
    assert cfg.test_pipeline == cfg.test_dataloader.dataset.pipeline
    assert cfg.param_scheduler[-1].end == cfg.train_cfg.max_iters
    assert pretrain or cfg.train_cfg.max_iters % cfg.train_cfg.val_interval == 0
    hooks = [hook.type for hook in cfg.get('custom_hooks', [])]
    assert hooks == ['SemiDiagnosticsHook'] * pretrain
    sampler = cfg.train_dataloader.sampler
    assert sampler.batch_size == cfg.train_dataloader.batch_size
    assert len(sampler.source_ratio) == len(sources(cfg)) == (2 if semi else 1)
    for source in sources(cfg):
        (crop,) = [t for t in source.pipeline if t.type == 'RandomCrop']
        assert crop.crop_size == cfg.crop_size
        assert source.pipeline[-1].type == ('MultiBranch' if pretrain else 'PackSegInputs')
    if match['batch']:
        assert cfg.train_dataloader.batch_size == int(match['batch'])
        assert cfg.train_cfg.max_iters == 1000 * int(match['length'])
    if match['crop']:
        assert cfg.crop_size == tuple(map(int, match['crop'].split('x')))
        listed = f'data_lists/{match["data"]}/{match["data"]}.0@{match["amount"]}'
        if match['amount'] != 'full':
            expected = [f'{listed}.txt', f'{listed}-unlabeled.txt']
            assert [s.ann_file for s in sources(cfg)] == expected[: len(sources(cfg))]
        if match['data'] == 'camvid':
            assert all((ROOT / source.ann_file).is_file() for source in sources(cfg))


@pytest.mark.parametrize('name', sorted(n for n in CONFIGS if n.startswith('finetune')))
def test_a_fine_tuning_starts_from_its_pretraining(name):
    cfg = load(name)
    _, folder, file = cfg.load_from.split('/')
    pretrain = load(folder)
    assert file == f'iter_{pretrain.train_cfg.max_iters}.pth'
    assert check_state_dict(build(pretrain).state_dict(), build(cfg).state_dict()) == []
    for ours, theirs in zip(sources(cfg), sources(pretrain), strict=True):
        for key in ('type', 'ann_file', 'data_prefix'):
            assert ours[key] == theirs[key]
    assert cfg.train_dataloader.sampler == pretrain.train_dataloader.sampler
    assert cfg.crop_size == pretrain.crop_size


@pytest.mark.parametrize('name', sorted(n for n in CONFIGS if n.startswith('scratch')))
def test_stages_and_scratch_are_comparable(name):
    """From scratch with the data, the augmentation and the net of the fine-tuning."""
    cfg = load(name)
    start = re.sub(r'\d+k', '*', name.replace('scratch', 'finetune'))
    (other,) = (load(p.stem) for p in FOLDER.glob(f'{start}.py'))
    assert cfg.load_from is None
    for key in ('model', 'train_dataloader', 'val_dataloader', 'default_hooks', 'custom_hooks'):
        assert cfg.get(key) == other.get(key), key
    if 'deeplab' in name:
        return
    pretrain = load(name.replace('scratch', 'pretrain'))
    stages = pretrain.train_cfg.max_iters + other.train_cfg.max_iters
    assert cfg.train_cfg.max_iters == stages
    assert cfg.optim_wrapper == other.optim_wrapper == pretrain.optim_wrapper
    assert pretrain.param_scheduler[-1].type == 'CosineAnnealingLR'
    # and what the baselines of the other methods have
    sup = name.replace('scratch', 'sup')
    base = Config.fromfile(ROOT / f'configs/baselines/{sup}.py', import_custom_modules=False)
    assert base.optim_wrapper == cfg.optim_wrapper
    assert base.model == cfg.model
    assert base.train_dataloader.batch_size == cfg.train_dataloader.batch_size
    theirs = sources(base)[0].pipeline
    ours = sources(cfg)[0].pipeline[:-2]
    if 'camvid' in name:
        theirs[2].update(type='RandomResize', ratio_range=(0.75, 1.75))
        assert ours[2] == sources(pretrain)[0].pipeline[2]
    assert ours == theirs[:-1]


@pytest.mark.parametrize('name', sorted(n for n in CONFIGS if '-semi' in n))
def test_semi_configs_train_on_both_sets(name):
    cfg = load(name)
    labeled, pseudo = sources(cfg)
    changed = {'ann_file', 'data_prefix', 'seg_map_suffix'}
    same = [{k: v for k, v in source.items() if k not in changed} for source in sources(cfg)]
    assert same[0] == same[1]
    assert pseudo.seg_map_suffix == '.png'
    assert pseudo.data_prefix.img_path == labeled.data_prefix.img_path
    chain = pseudo.data_prefix.seg_map_path.split('/')[1]
    assert pseudo.data_prefix.seg_map_path == f'work_dirs/{chain}/pseudo_labels/masks'
    assert CONFIGS[name] in read_chain(FOLDER / f'{chain}.py').configs.values()
    assert cfg.train_dataloader.sampler.source_ratio == ([1, 4] if '513' in name else [1, 1])


@pytest.mark.parametrize('name', CHAINS)
def test_chains_name_stages_that_fit(name):
    chain = read_chain(FOLDER / f'{name}.py')
    stages = [chain.configs[stage].stem for stage in TRAINED]
    assert [stage.split('_')[0] for stage in stages] == ['pretrain', 'finetune'] * 2
    assert ['-semi' in stage for stage in stages] == [False, False, True, True]
    assert [load(s).load_from for s in stages[1::2]] == [
        f'work_dirs/{s}/iter_{load(s).train_cfg.max_iters}.pth' for s in stages[::2]
    ]
    first, second = (load(s).load_from for s in stages[::2])
    goes_on = f'work_dirs/{stages[1]}/iter_{load(stages[1]).train_cfg.max_iters}.pth'
    assert (first, second) == (None, goes_on if 'camvid' in name else None)
    classes = DATASETS.get(sources(load(stages[0]))[0].type).METAINFO['classes']
    chain.rule.thresholds(classes)
    if 'camvid' in name:
        assert chain.rule == LabelRule(threshold=0.8, keep_ratio=0.5, tta=True)
        lengths = [load(s).train_cfg.max_iters for s in stages]
        # so that twice the length of the scratch config is that of the whole chain
        assert sum(lengths[2:]) == sum(lengths[:2])
    else:
        thresholds = {'background': 0.97} if 'voc' in name else {}
        assert chain.rule == LabelRule(threshold=0.8, class_thresholds=thresholds)


def test_the_paper_s_settings():
    pretrain = load('pretrain_' + CITYSCAPES.format(300, 596))
    finetune = load('finetune_' + CITYSCAPES.format(50, 596))
    for cfg, lr in (
        (pretrain, 0.1),
        (finetune, 0.007),
        (load('finetune_' + CITYSCAPES.format(300, 'full')), 0.007),
        (load('scratch_' + CITYSCAPES.format(300, 596)), 0.03),
        (load('scratch_' + CITYSCAPES.format(600, 'full')), 0.03),
    ):
        expected = dict(type='SGD', lr=lr, momentum=0.9, weight_decay=4e-5)
        assert cfg.optim_wrapper.optimizer == expected
        assert [s.type for s in cfg.param_scheduler] == ['CosineAnnealingLR']
        assert cfg.model.backbone.init_cfg is None
        assert cfg.sync_bn == 'torch'
        (source,) = sources(cfg)
        kinds = [t.type for t in source.pipeline[2:5]]
        assert kinds == ['RandomResize', 'RandomCrop', 'RandomFlip']
    # a quarter of the image, 129x129 for 513x513, 256 channels
    features = build(pretrain)(torch.zeros(2, 3, 513, 513, device='meta'))
    assert features.shape[1:] == (256, 129, 129)
    model = pretrain.model
    assert (model.loss_size, model.distortion_prob) == ((65, 65), 0.8)
    assert model.loss_contrast.temperature == 0.07
    jitter, gray, _ = sources(pretrain)[0].pipeline[-1].distorted
    assert [jitter[k] for k in ('brightness', 'contrast', 'saturation', 'hue')] == [
        0.8,
        0.8,
        0.8,
        0.2,
    ]
    assert gray.prob == 0.2
    jitter = sources(finetune)[0].pipeline[-2]
    assert [jitter[k] for k in ('brightness', 'contrast', 'saturation', 'hue')] == [0.8, 0.8, 0, 0]
    assert finetune.model.get('auxiliary_head') is None


def ablations():
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    variables = {}
    text = (FOLDER / 'README.md').read_text(encoding='utf-8').split('## Ablations')[1]
    for block in re.findall(r'```bash\n(.*?)```', text, re.DOTALL):
        for line in block.replace('\\\n', ' ').splitlines():
            words = shlex.split(line, comments=True)
            if len(words) == 1:
                key, value = words[0].split('=', 1)
                variables[f'${key}'] = shlex.split(value)
            elif words:
                words = [part for word in words for part in variables.get(word, [word])]
                config = next(word for word in words if word.startswith('configs/'))
                start = words.index('--cfg-options')
                options = parser.parse_args(words[start:]).cfg_options
                yield pytest.param(Path(config).stem, options, id=Path(words[start - 1]).name)


@pytest.mark.parametrize(('name', 'options'), list(ablations()))
def test_ablations_change_config_and_model(name, options):
    cfg = read_config(CONFIGS[name], options)
    assert cfg.to_dict() != load(name).to_dict()
    model = build(cfg)
    for key, value in options.items():
        first, *path = key.split('.')
        assert first == 'model'
        part = model.backbone if path == ['pretrained'] else model
        if path == ['pretrained']:
            assert part.init_cfg == dict(type='Pretrained', checkpoint=value)
            continue
        for step in path:
            part = getattr(part, step)
        assert part == (tuple(value) if isinstance(value, list) else value)
