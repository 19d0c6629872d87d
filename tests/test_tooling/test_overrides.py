import ast
import re
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config

import mmseg_contrast  # noqa: F401
from mmseg_contrast.tooling.overrides import SETTINGS, read_config, refuse

CONFIGS = Path(__file__).parents[2] / 'configs'
C3 = CONFIGS / 'c3semiseg' / 'c3semiseg_stdc1_camvid-semi-1by30-160x160.py'
PRETRAIN = CONFIGS / 'label_efficient' / 'pretrain_stdc1_camvid-1by30-160x160.py'
FINETUNE = CONFIGS / 'label_efficient' / 'finetune_stdc1_camvid-semi-1by30-160x160.py'


@cache
def plain(path):
    return Config.fromfile(path)


def settings(cfg):
    return {key: value for key, value in cfg.to_dict().items() if key in SETTINGS}


def names_of(path):
    """The variables that a file assigns."""
    tree = ast.walk(ast.parse(path.read_text(encoding='utf-8')))
    names = {n.id for n in tree if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return names - SETTINGS - {'_base_'}


def base_files(path):
    """The files that a config is made of."""
    for base in Config._get_base_files(str(path)):
        yield (path.parent / base).resolve()
        yield from base_files(path.parent / base)


def walk():
    """Each variable of each file, in one config, and once for all that have the same bases."""
    seen = set()
    for path in sorted(set(CONFIGS.glob('[!_]*/*.py')) - set(CONFIGS.glob('benchmarks/*'))):
        files = {each for each in base_files(path) if each.parent.parent.name == '_base_'}
        pairs = {(name, file) for file in files for name in names_of(file)}
        pairs |= {(name, *sorted(files)) for name in names_of(path)} if files else set()
        if pairs - seen:
            names = sorted({name for name, *_ in pairs - seen})
            yield pytest.param(path, names, id=path.stem)
            seen |= pairs


def another(value):
    """A value of the same kind that a config can compute with."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 6
    if isinstance(value, str):
        return f'{value}x'
    if isinstance(value, tuple):
        return tuple(another(each) for each in value)
    if isinstance(value, list):
        return [another(each) if isinstance(each, str) else each for each in [*value, value[0]]]
    return {**value, 'type': f'{value.get("type")}x'}


@pytest.mark.parametrize(('path', 'names'), list(walk()))
def test_each_variable_changes_what_is_read_or_is_refused(path, names):
    cfg = Config.fromfile(path, import_custom_modules=False)
    if 'mmpretrain.models' in cfg.custom_imports.imports:
        pytest.importorskip('mmpretrain')
    for name in filter(cfg.__contains__, names):
        value = another(cfg.to_dict()[name])
        try:
            changed = read_config(path, {name: value})
        except ValueError as error:
            said = str(error)
            assert re.search(f'--cfg-options {name}(=.*)?: ', said)
            assert re.search(r'cannot be read with it|(; change .+|; leave it out)$', said)
            continue
        assert settings(changed) != settings(cfg), name
        assert changed.to_dict()[name] == value


def sources(cfg):
    return cfg.train_dataloader.dataset.datasets


def crop(cfg):
    steps = sources(cfg)[0].pipeline
    return next(step.crop_size for step in steps if step.type == 'RandomCrop')


def test_variables_reach_what_is_made_of_them():
    cfg = read_config(
        FINETUNE,
        {
            'crop_size': (128, 96),
            'max_iters': 60,
            'batch_size': 6,
            'labeled_list': 'mine.txt',
            'unlabeled_list': 'others.txt',
            'brightness_and_contrast.brightness': 0.1,
            'data_root': 'elsewhere',
        },
    )
    assert crop(cfg) == cfg.model.data_preprocessor.size == (128, 96)
    assert (cfg.train_cfg.max_iters, cfg.param_scheduler[0].end) == (60, 60)
    assert cfg.train_dataloader.batch_size == cfg.train_dataloader.sampler.batch_size == 6
    assert [source.ann_file for source in sources(cfg)] == ['mine.txt', 'others.txt']
    assert [source.pipeline[-2].brightness for source in sources(cfg)] == [0.1, 0.1]
    assert sources(cfg)[0].data_prefix.img_path == 'elsewhere/images/train'
    assert cfg.val_dataloader.dataset.data_root == 'elsewhere'


def test_a_part_of_a_variable_and_a_setting_of_the_same_run():
    cfg = read_config(PRETRAIN, {'two_views.distorted.jitter.hue': 0.1, 'train_cfg.max_iters': 7})
    assert sources(cfg)[0].pipeline[-1].distorted[0].hue == 0.1
    assert (cfg.train_cfg.max_iters, cfg.param_scheduler[0].end) == (7, 3000)


def test_a_transform_has_a_name():
    changes = {'branches.strong.jitter.hue': 0.2, 'geometry.rotate': None, 'geometry.flip.prob': 0}
    labeled, unlabeled = sources(read_config(C3, changes))
    steps = [step.type for step in labeled.pipeline]
    assert 'RandomRotate' not in steps and 'RandomRotate' in str(plain(C3).train_dataloader)
    assert labeled.pipeline[2:-1] == unlabeled.pipeline[2:-1]
    assert (unlabeled.pipeline[-2].prob, unlabeled.pipeline[-1].strong[0].hue) == (0, 0.2)


def test_a_setting_wins_over_a_variable():
    cfg = read_config(C3, {'max_iters': 60, 'train_cfg.max_iters': 50})
    assert (cfg.train_cfg.max_iters, cfg.param_scheduler[0].end) == (50, 60)


def test_a_variable_may_be_given_the_value_that_it_has():
    assert read_config(C3, {'crop_size': (160, 160)}).to_dict() == plain(C3).to_dict()


def test_an_element_of_a_tuple():
    cfg = read_config(C3, {'crop_size.0': 128})
    assert crop(cfg) == (128, 160)
    key = 'train_dataloader.dataset.datasets.0.pipeline.4.crop_size'
    assert crop(read_config(C3, {f'{key}.0': 96, f'{key}.1': 64})) == (96, 64)


def test_a_new_key_that_its_reader_knows():
    cfg = read_config(
        C3,
        {
            'model.test_cfg.mode': 'slide',
            'model.pretrained': 'weights.pth',
            'optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult': 0.1,
            'optim_wrapper.clip_grad.max_norm': 1.0,
            'train_dataloader.dataset.datasets.0.pipeline.2.interpolation': 'nearest',
            'default_hooks.ema.type': 'EMAHook',
            'model.backbone.norm_cfg.eps': 0.1,
            'log_processor.window_size': 3,
            'find_unused_parameters': True,
        },
    )
    assert cfg.model.test_cfg.mode == 'slide'
    assert cfg.optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult == 0.1
    assert cfg.find_unused_parameters is True


@pytest.mark.parametrize(
    ('option', 'said'),
    [
        ('trian_cfg.max_iters', r'there is no key trian_cfg; did you mean train_cfg\?'),
        ('crop_siz', r'there is no key crop_siz; did you mean crop_size\?'),
        ('nothing', 'there is no key nothing; the config has .*crop_size'),
        ('train_cfg.max_iter', r'no key max_iter in train_cfg; did you mean max_iters\?'),
        ('model.decode_head.chanels', r'in model.decode_head; did you mean channels\?'),
        (
            'optim_wrapper.optimizer.learning_rate',
            r'no key learning_rate in optim_wrapper.optimizer; .* has .*\blr\b',
        ),
        ('optim_wrapper.paramwise_cfg.foo', 'no key foo in optim_wrapper.paramwise_cfg'),
        (
            'optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mul',
            r'in optim_wrapper.paramwise_cfg.custom_keys.backbone; did you mean lr_mult\?',
        ),
        ('default_hooks.checkpoint.intervall', r'did you mean interval\?'),
        ('default_hooks.checkpont', r'no key checkpont in default_hooks; did you mean checkpoint'),
        ('test_evaluator.foo', 'no key foo in test_evaluator; .* has .*output_dir'),
        ('env_cfg.foo', 'no key foo in env_cfg; env_cfg has cudnn_benchmark, dist_cfg'),
        ('randomness.sed', r'did you mean seed\?'),
        ('model.test_cfg.mod', r'did you mean mode\?'),
        ('model.data_preprocessor.sise', r'did you mean size\?'),
        ('train_dataloader.batchsize', r'did you mean batch_size\?'),
        ('train_dataloader.dataset.datasets.0.data_prefix.img', 'has .*img_path, seg_map_path'),
        ('param_scheduler.end', 'param_scheduler is a list of 1, and end is none of'),
        ('param_scheduler.1.end', 'param_scheduler is a list of 1, and 1 is none of'),
        ('crop_size.2', 'crop_size is a list of 2, and 2 is none of crop_size.0 to crop_size.1'),
        ('c3semiseg.selector.keep_ration', r'did you mean keep_ratio\?'),
    ],
)
def test_a_key_that_nobody_reads_is_refused(option, said):
    with pytest.raises(KeyError, match=f'--cfg-options {re.escape(option)}: .*{said}'):
        read_config(C3, {option: 1})


@pytest.mark.parametrize(
    ('option', 'value', 'said'),
    [
        ('train_cfg.max_iters', 'abc', 'max_iters=abc: it is 3000 in the config; give a number'),
        ('max_iters', 'abc', 'max_iters=abc: it is 3000 in the config; give a number'),
        ('max_iters', True, 'max_iters=True: it is 3000 in the config; give a number'),
        ('resume', 'yes', 'resume=yes: it is False in the config; give True or False'),
        ('crop_size', 128, r'crop_size=128: it is a list of 2 in the config; give "\(128,\)"'),
        ('source_ratio', 1, r'it is a list of 2 in the config; give \[1\]'),
        ('model.selector', 'sure', 'selector=sure: it has type, keep_ratio, .*; change one of'),
        ('train_cfg.max_iters.x', 3, 'train_cfg.max_iters is 3000 in the config and has no x'),
        ('c3semiseg', None, "c3semiseg=None: .*cannot be read with it: 'NoneType'"),
    ],
)
def test_a_value_of_another_kind_is_refused(option, value, said):
    with pytest.raises(ValueError, match=f'--cfg-options .*{said}'):
        read_config(C3, {option: value})


@pytest.mark.parametrize('key', ['val_dataloader.batch_size', 'val_evaluator.prefix', 'val_cfg.x'])
def test_what_is_none_has_no_keys(key):
    place, name = key.split('.')
    with pytest.raises(ValueError, match=f'{place} is None in the config and has no {name}'):
        read_config(PRETRAIN, {key: 1})
    assert read_config(FINETUNE, {'val_dataloader.batch_size': 2}).val_dataloader.batch_size == 2


def test_changes_that_exclude_each_other():
    with pytest.raises(
        ValueError, match=r'model\.selector replaces all of it, model\.selector\.ke'
    ):
        read_config(C3, {'model.selector.keep_ratio': 0.5, 'model.selector': None})


def test_a_variable_that_nothing_follows_is_refused_with_the_keys_that_work(tmp_path):
    dumped = tmp_path / 'dumped.py'
    plain(C3).dump(dumped)
    said = r'dumped.py follows this variable; change train_cfg.max_iters$'
    with pytest.raises(ValueError, match=f'--cfg-options max_iters: nothing .*{said}'):
        read_config(dumped, {'max_iters': 10})
    with pytest.raises(ValueError, match=r'change .*datasets\.0\.ann_file$'):
        read_config(dumped, {'labeled_list': 'mine.txt'})
    with pytest.raises(ValueError, match='follows this variable; leave it out'):
        read_config(FINETUNE, {'pretrainer.distortion_prob': 0.5})


def test_no_config():
    with pytest.raises(FileNotFoundError, match=r'there is no config absent\.py'):
        read_config('absent.py')


def test_keys_that_a_tool_sets_itself():
    reasons = {'randomness.seed': 'give --seeds', 'work_dir': 'leave it out'}
    refuse({'randomness.deterministic': True, 'work_dirs': 1}, reasons, '--cfg-options')
    with pytest.raises(
        ValueError, match=r'--cfg-options randomness\.seed: this tool sets .*--seeds'
    ):
        refuse({'randomness.seed': 1}, reasons, '--cfg-options')
