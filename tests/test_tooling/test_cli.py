import argparse
import pickle

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from torch.utils.data import DataLoader, Dataset

from mmseg_contrast.problem import SetupError
from mmseg_contrast.tooling.cli import (
    add_common_arguments,
    check_data,
    check_weights,
    describe_training,
    load_config,
    one_sentence,
    require_keys,
)

CONFIG = """
model = dict(type='EncoderDecoder')
train_cfg = dict(type='IterBasedTrainLoop', max_iters=10)
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'tiny_config.py'
    path.write_text(CONFIG)
    return path


def parse(config, *arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument('config')
    add_common_arguments(parser)
    return parser.parse_args([str(config), *arguments])


def test_work_dir_is_the_arguments_the_configs_or_the_name(config):
    assert load_config(parse(config)).work_dir == 'work_dirs/tiny_config'
    config.write_text(CONFIG + "work_dir = 'from_config'\n")
    assert load_config(parse(config)).work_dir == 'from_config'
    assert load_config(parse(config, '--work-dir', 'given')).work_dir == 'given'


def test_options_override_and_may_add_what_the_runner_knows(config):
    options = ['train_cfg.max_iters=3', 'randomness.seed=5', 'find_unused_parameters=True']
    cfg = load_config(parse(config, '--cfg-options', *options))
    assert (cfg.train_cfg.max_iters, cfg.randomness.seed) == (3, 5)
    assert cfg.find_unused_parameters is True


def test_a_misspelt_option_is_refused_with_the_right_one(config):
    with pytest.raises(KeyError, match=r'no key trian_cfg; did you mean train_cfg\?'):
        load_config(parse(config, '--cfg-options', 'trian_cfg.max_iters=3'))


@pytest.mark.parametrize('pair', ['train_cfg.max_iters', '=100'])
def test_an_option_that_is_no_pair_is_refused(config, pair, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(config, '--cfg-options', 'seed=1', pair)
    assert stopped.value.code == 2
    assert f'--cfg-options: {pair} is no KEY=VALUE' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('pair', 'value'),
    [
        ('size=(128,64)', (128, 64)),
        ('size="(128, 64)"', (128, 64)),
        ('size=(3,)', (3,)),
        ('sources=[labeled]', ['labeled']),
        ('sources=labeled,unlabeled', ['labeled', 'unlabeled']),
        ('root=/my images/a', '/my images/a'),
        ("selector={'type': 'Sure', 'size': (1, 2)}", {'type': 'Sure', 'size': (1, 2)}),
        ('lr=1e-4', 1e-4),
        ('on=true', True),
        ('neck=None', None),
    ],
)
def test_values_are_read_as_they_are_written(config, pair, value):
    key = pair.partition('=')[0]
    assert parse(config, '--cfg-options', pair).cfg_options == {key: value}


@pytest.mark.parametrize('pair', ['size=(128,64', 'selector={a: 1'])
def test_a_value_that_cannot_be_read(config, pair, capsys):
    with pytest.raises(SystemExit):
        parse(config, '--cfg-options', pair)
    assert f'--cfg-options: the value of {pair} cannot be read' in capsys.readouterr().err


def test_a_key_that_is_given_twice(config, capsys):
    with pytest.raises(SystemExit):
        parse(config, '--cfg-options', 'a=1', '--cfg-options', 'a=2')
    assert '--cfg-options: a is given twice' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--cfg-options', 'launcher=pytorch'], 'sets launcher itself; give --launcher'),
        (['--work-dir=a', '--cfg-options', 'work_dir=b'], 'sets work_dir itself; leave out'),
    ],
)
def test_options_that_the_arguments_would_replace(config, arguments, said):
    with pytest.raises(ValueError, match=said):
        load_config(parse(config, *arguments))


def test_a_module_of_ones_own_is_named_in_the_last_config(tmp_path, monkeypatch):
    """As the README says; two bases that name modules are MMEngine's `Duplicate key`."""
    monkeypatch.syspath_prepend(tmp_path)
    module = 'from mmseg.registry import MODELS\n\n@MODELS.register_module()\nclass MyOwnLoss:\n    pass\n'
    (tmp_path / 'my_module.py').write_text(module)
    (tmp_path / 'base.py').write_text(
        CONFIG + "custom_imports = dict(imports=['mmseg_contrast'], allow_failed_imports=False)\n"
    )
    own = "custom_imports = dict(imports=['mmseg_contrast', 'my_module'])\n"
    config = tmp_path / 'config.py'
    config.write_text(f"_base_ = './base.py'\n{own}")
    assert MODELS.get('MyOwnLoss') is None
    assert load_config(parse(config)).custom_imports.imports == ['mmseg_contrast', 'my_module']
    assert MODELS.get('MyOwnLoss').__module__ == 'my_module'

    (tmp_path / 'second.py').write_text(own)
    config.write_text("_base_ = ['./base.py', './second.py']\n")
    with pytest.raises(KeyError, match='Duplicate key'):
        load_config(parse(config))


def test_no_config():
    with pytest.raises(FileNotFoundError, match=r'there is no config absent.py'):
        load_config(parse('absent.py'))


def test_a_launcher_that_needs_gpus_is_refused_without_them(config, monkeypatch):
    monkeypatch.setattr('mmseg_contrast.tooling.cli.get_device', lambda: 'cpu')
    with pytest.raises(ValueError, match=r'--launcher slurm needs GPUs, .*: take --launcher'):
        load_config(parse(config, '--launcher', 'slurm'))


def test_processes_on_cpus_join_and_leave_out_what_gpus_need(config, monkeypatch):
    monkeypatch.setattr('mmseg_contrast.tooling.cli.get_device', lambda: 'cpu')
    joined = []
    monkeypatch.setattr('torch.distributed.init_process_group', joined.append)
    cfg = load_config(parse(config, '--launcher', 'pytorch'))
    assert joined == ['gloo'] and cfg.launcher == 'pytorch'
    assert cfg.get('sync_bn') is None
    assert cfg.model_wrapper_cfg == dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=True,
        find_unused_parameters=False,
    )


def test_check_data_looks_into_wrappers(tmp_path):
    (tmp_path / 'images').mkdir()
    there = {'data_root': str(tmp_path), 'data_prefix': {'img_path': 'images'}}
    gone = {'data_prefix': {'img_path': str(tmp_path / 'images'), 'seg_map_path': 'no/masks'}}
    remote = {'data_root': 's3://bucket', 'data_prefix': {'img_path': 'images'}}
    cfg = {
        'train_dataloader': {'dataset': {'type': 'ConcatDataset', 'datasets': [there, gone]}},
        'val_dataloader': {'dataset': {'dataset': there}},
        'test_dataloader': {'dataset': remote},
    }
    check_data(cfg, ('val_dataloader', 'test_dataloader', 'absent_dataloader'))
    with pytest.raises(FileNotFoundError, match='folder no/masks of train_dataloader does not'):
        check_data(cfg, ('train_dataloader',))


@pytest.mark.parametrize(
    ('error', 'said'),
    [
        (ValueError('one\n  two'), 'error: ValueError: one two (python -X dev'),
        (KeyError('no key x'), 'error: KeyError: no key x ('),
        (AssertionError(), 'error: AssertionError: no reason given ('),
        (
            FileExistsError(17, 'File exists', 'work_dirs'),
            'error: FileExistsError: work_dirs: File exists, and is no folder: give another path (',
        ),
        (
            PermissionError(13, 'Permission denied', '/root'),
            'error: PermissionError: /root: Permission denied (',
        ),
    ],
)
def test_one_sentence(error, said):
    with pytest.raises(SystemExit) as caught, one_sentence():
        raise error
    assert caught.value.code.startswith(said)


def test_one_sentence_tells_why_an_import_failed():
    with pytest.raises(SystemExit) as caught, one_sentence():
        try:  # as MMEngine does
            try:
                raise ImportError('mmseg_contrast cannot be used: mixed')
            except ImportError:
                raise ImportError('Failed to import mmseg_contrast')  # noqa: B904
        except ImportError as error:
            raise ImportError('Failed to import custom modules from ...') from error
    assert 'cannot be used: mixed' in caught.value.code


def test_one_sentence_passes_on_what_it_was_not_asked_for():
    with pytest.raises(ValueError, match='a bug'), one_sentence(pickle.UnpicklingError):
        raise ValueError('a bug')


def test_one_sentence_names_the_remedy_for_a_checkpoint_that_torch_refuses():
    with pytest.raises(SystemExit) as caught, one_sentence(pickle.UnpicklingError):
        raise pickle.UnpicklingError('Unsupported global')
    assert 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1' in caught.value.code


def test_one_sentence_passes_on_programming_errors():
    with pytest.raises(ZeroDivisionError), one_sentence():
        _ = 1 / 0


def test_a_config_of_something_else_is_refused():
    require_keys({'model': {'type': 'X'}}, 'model')
    with pytest.raises(ValueError, match=r'no train_cfg, val_cfg: give a whole config of MMSeg'):
        require_keys({'model': {'type': 'X'}, 'val_cfg': None}, 'model', 'train_cfg', 'val_cfg')


def begins_with(path, **kwargs):
    init = {'type': 'Pretrained', 'checkpoint': str(path)}
    return {'model': {'decode_head': [{'init_cfg': init}]}, **kwargs}


def test_files_that_a_model_begins_with_are_looked_at(tmp_path):
    weights, text = tmp_path / 'weights.pth', tmp_path / 'text.pth'
    torch.save({'w': torch.ones(1)}, weights)
    text.write_text('hello')
    check_weights(begins_with(weights, load_from=str(weights)))
    check_weights(begins_with('open-mmlab://resnet50', load_from='https://x/y.pth'))
    with pytest.raises(ValueError, match=r'text.pth is no checkpoint'):
        check_weights(begins_with(text))
    with pytest.raises(ValueError, match=r'text.pth is no checkpoint'):
        check_weights(begins_with(weights, load_from=str(text)))
    with pytest.raises(FileNotFoundError, match=r'no checkpoint .*absent.pth'):
        check_weights(begins_with(tmp_path / 'absent.pth'))
    with pytest.raises(ValueError, match=r'weights.pth holds weights and no optimizer'):
        check_weights(begins_with(weights, load_from=str(weights), resume=True))


@pytest.mark.parametrize('key', ['type', 'of'])
def test_weights_that_are_no_checkpoint_are_left_to_their_backbone(key, tmp_path):
    """A folder or a name on the hub of Hugging Face, and a file of timm."""
    for kind in ('TransformersBackbone', 'PaddedTIMMBackbone'):
        for weights in (tmp_path, 'facebook/dinov2-small'):
            init = {'type': 'Pretrained', 'checkpoint': str(weights)}
            backbone = {'type': 'FrozenBackbone', key: kind, 'init_cfg': init}
            check_weights({'model': {'backbone': backbone}})
            with pytest.raises(OSError, match=r'give the path of a \.pth file'):
                check_weights({'model': {'backbone': {**backbone, key: 'MobileNetV2'}}})


TRAINING = {
    'train_dataloader': {'batch_size': 8, 'sampler': {'source_ratio': [1, 3]}},
    'optim_wrapper': {'optimizer': {'lr': 0.02}, 'accumulative_counts': 2},
}


def test_describe_training():
    assert describe_training(Config(TRAINING), world_size=4, device='cuda') == (
        'effective batch 64 (8 x 4 process(es) x 2 accumulated), labelled:unlabelled 1:3, '
        'LR 0.02, device cuda'
    )


def test_describe_training_scales_the_rate_as_the_runner_does():
    cfg = {**TRAINING, 'auto_scale_lr': {'enable': True, 'base_batch_size': 16}}
    assert 'LR 0.04,' in describe_training(cfg, world_size=4, device='cuda')
    cfg['auto_scale_lr']['enable'] = False
    assert 'LR 0.02,' in describe_training(cfg, world_size=4, device='cuda')


def test_describe_training_of_a_supervised_run():
    cfg = {'train_dataloader': {'batch_size': 2}, 'optim_wrapper': {}}
    assert describe_training(cfg, 1, 'cpu') == (
        'effective batch 2 (2 x 1 process(es) x 1 accumulated), labelled:unlabelled all labelled, '
        'LR set by the optimiser, device cpu'
    )


@pytest.mark.parametrize('kind', [ValueError, SetupError])
def test_an_error_of_a_worker_is_told_by_its_last_sentence(kind):
    class Broken(Dataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            raise kind('a.jpg: cannot be read; replace the file.')

    with pytest.raises(SystemExit) as caught, one_sentence():
        next(iter(DataLoader(Broken(), num_workers=1)))
    said = f'error: {kind.__name__}: a.jpg: cannot be read; replace the file. ('
    assert caught.value.code.startswith(said)
