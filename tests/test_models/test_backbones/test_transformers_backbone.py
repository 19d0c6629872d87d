"""Backbones of transformers: any size, weights from a folder or a file, and training of all parameters."""

import builtins
import copy

import pytest
import torch
import torch.nn.functional as F
from helpers import (
    build,
    contrast_cfg,
    plain_cfg,
    prepared,
    preprocessor_cfg,
    random_batch,
    runner_cfg,
    semi_cfg,
    total_loss,
    without_gradient,
)
from mmengine.runner import Runner
from mmseg.registry import MODELS
from tiny_backbones import DIVISORS, TINY, channels_of, dpt_head, linear_head, tiny_backbone

from mmseg_contrast.engine.checks.network import check_network
from mmseg_contrast.engine.unwrap import unwrap
from mmseg_contrast.problem import SetupError

transformers = pytest.importorskip('transformers')
NAMES = list(TINY)
ODD = (45, 51)


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """Folders as the hub has them: the net without `AutoBackbone`, and its config."""
    made = {}
    for name in NAMES:
        torch.manual_seed(1)
        options = dict(TINY[name])
        config = transformers.AutoConfig.for_model(options.pop('model_type'), **options)
        folder = tmp_path_factory.mktemp(name)
        transformers.AutoModel.from_config(config).save_pretrained(folder)
        made[name] = folder
    return made


def semi_model(name, head, size=ODD, **kwargs):
    return semi_cfg(
        backbone=tiny_backbone(name),
        decode_head=head,
        auxiliary_head=[contrast_cfg(in_channels=head['channels'], in_index='decode')],
        data_preprocessor=preprocessor_cfg(size),
        **kwargs,
    )


# ------------------------------------------------------------------ features


@pytest.mark.parametrize('name', NAMES)
def test_odd_sizes_give_features_of_the_whole_image(name):
    backbone = MODELS.build(tiny_backbone(name)).eval()
    divisor = DIVISORS.get(name, 32)
    assert backbone.size_divisor == divisor
    images = torch.randn(2, 3, *ODD)
    stages = backbone(images)
    padded = [-(-side // divisor) * divisor for side in ODD]
    strides = [divisor] * 4 if name in DIVISORS else [4, 8, 16, 32]
    assert [tuple(stage.shape) for stage in stages] == [
        (2, width, padded[0] // stride, padded[1] // stride)
        for width, stride in zip(channels_of(name), strides)
    ]
    # Fitting images are seen by the net as they are.
    fitting = F.pad(images, (0, padded[1] - ODD[1], 0, padded[0] - ODD[0]))
    for own, expected in zip(backbone(fitting), backbone.net(fitting).feature_maps):
        assert torch.equal(own, expected)


@pytest.mark.parametrize('name', NAMES)
def test_every_parameter_learns(name):
    """As DistributedDataParallel wants."""
    model = build(semi_model(name, linear_head(name)))
    losses = model.loss(*prepared(model, random_batch(size=ODD)))
    total_loss(model, losses).backward()
    assert without_gradient(model) == []


def test_checks_without_values_know_it():
    model = MODELS.build(semi_model('dinov2', linear_head('dinov2')))
    assert check_network(model, 2, ODD) == []
    model = MODELS.build(semi_model('dinov2', linear_head('dinov2', in_channels=9, channels=9)))
    [problem] = check_network(model, 2, ODD)
    assert problem.what == 'a convolution of it takes 9 channels, and gets 16'


@pytest.mark.parametrize(
    'mode', [{'mode': 'whole'}, {'mode': 'slide', 'crop_size': (30, 30), 'stride': (20, 20)}]
)
def test_predictions_have_the_size_of_the_image(mode):
    cfg = semi_model('dinov2', linear_head('dinov2'), test_cfg=mode)
    cfg['data_preprocessor'] = preprocessor_cfg(None, size_divisor=None)
    model = build(cfg, train=False)
    for size in (ODD, (64, 33), (13, 90)):
        image = torch.randint(0, 256, (3, *size), dtype=torch.uint8)
        batch = random_batch(1, 0, size)
        sample = batch['data_samples']['sup'][0]
        data = {'inputs': [image], 'data_samples': [sample]}
        for branch in ('student', 'teacher'):
            with model.predict_with(branch):
                [result] = model.test_step(copy.deepcopy(data))
            assert result.pred_sem_seg.data.shape == (1, *size)
            assert result.seg_logits.data.shape == (3, *size)


# ------------------------------------------------------------------ weights


@pytest.mark.parametrize('name', NAMES)
def test_weights_of_a_folder_are_those_of_the_net(name, folders):
    """Each process draws other random numbers, and has the same weights in the end."""
    states = []
    for seed, cfg in enumerate(
        (
            {'config': str(folders[name])},
            {'init_cfg': {'type': 'Pretrained', 'checkpoint': str(folders[name])}},
            {
                'init_cfg': {
                    'type': 'Pretrained',
                    'checkpoint': f'{folders[name]}/model.safetensors',
                }
            },
        )
    ):
        torch.manual_seed(seed)
        cfg = plain_cfg(backbone=tiny_backbone(name, **cfg), decode_head=linear_head(name))
        states.append(build(cfg).backbone.state_dict())
    for state in states[1:]:
        assert all(torch.equal(state[key], value) for key, value in states[0].items())
    net = transformers.AutoModel.from_pretrained(folders[name])
    shared = {key.split('.', 1)[1]: value for key, value in states[0].items()}
    found = 0
    for key, value in net.state_dict().items():
        for candidate in (key, f'model.{key}', key.removeprefix('model.')):
            if candidate in shared and key.split('.')[0] != 'layernorm':
                assert torch.equal(shared[candidate], value), key
                found += 1
                break
    assert found >= len(net.state_dict()) - 2


def test_what_torch_saved_is_read_too(folders, tmp_path):
    net = transformers.AutoModel.from_pretrained(folders['dinov2'])
    torch.save(net.state_dict(), tmp_path / 'weights.pth')
    init_cfg = {'type': 'Pretrained', 'checkpoint': str(tmp_path / 'weights.pth')}
    backbone = MODELS.build(tiny_backbone('dinov2', init_cfg=init_cfg))
    backbone.init_weights()
    weight = 'encoder.layer.3.mlp.fc2.weight'
    assert torch.equal(backbone.net.state_dict()[weight], net.state_dict()[weight])


def test_the_segmentor_loads_them_once_and_keeps_them(folders, monkeypatch):
    loads = []
    cls = transformers.Dinov2Backbone
    original = cls.from_pretrained.__func__

    def counted(own, *args, **kwargs):
        loads.append(args)
        return original(own, *args, **kwargs)

    monkeypatch.setattr(cls, 'from_pretrained', classmethod(counted))
    cfg = semi_model('dinov2', linear_head('dinov2'))
    cfg['backbone'] = tiny_backbone('dinov2', config=str(folders['dinov2']))
    model = build(cfg)
    assert len(loads) == 1  # and none for the teacher
    before = copy.deepcopy(model.backbone.state_dict())
    model.init_weights()
    assert all(torch.equal(model.backbone.state_dict()[k], v) for k, v in before.items())


def test_without_weights_it_stays_as_built():
    backbone = MODELS.build(tiny_backbone('dinov2'))
    before = copy.deepcopy(backbone.state_dict())
    backbone.init_weights()
    assert all(torch.equal(backbone.state_dict()[key], value) for key, value in before.items())


def test_a_frozen_one_is_shared_and_has_its_weights(folders):
    cfg = semi_model('dinov2', dpt_head())
    cfg['backbone'] = tiny_backbone('dinov2', config=str(folders['dinov2']))
    cfg['backbone'].update(type='FrozenBackbone', of='TransformersBackbone')
    model = build(cfg)
    before = copy.deepcopy(model.backbone.state_dict())
    net = transformers.AutoModel.from_pretrained(folders['dinov2'])
    assert torch.equal(model.backbone.net.layernorm.weight, net.layernorm.weight)
    assert model.teacher.backbone is model.backbone
    total_loss(model, model.loss(*prepared(model, random_batch(size=ODD)))).backward()
    assert without_gradient(model) == []
    assert all(torch.equal(model.backbone.state_dict()[k], v) for k, v in before.items())


# ------------------------------------------------------------------ errors


def test_bad_input_is_named(folders, tmp_path, monkeypatch):
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    with pytest.raises(SetupError, match=r"'/nowhere' cannot be loaded; give a local folder"):
        MODELS.build(tiny_backbone('dinov2', config='/nowhere'))
    with pytest.raises(ValueError, match=r"init_cfg=.*give dict\(type='Pretrained'"):
        MODELS.build(tiny_backbone('dinov2', init_cfg={'type': 'Kaiming'}))
    with pytest.raises(ValueError, match=r'TransformersBackbone\(size_divisor=0\)'):
        MODELS.build(tiny_backbone('dinov2', size_divisor=0))
    weights = transformers.AutoModel.from_pretrained(folders['dinov2']).state_dict()
    weights = {key: value for key, value in weights.items() if 'layer.2.' not in key}
    torch.save(weights, tmp_path / 'weights.pth')
    init_cfg = {'type': 'Pretrained', 'checkpoint': str(tmp_path / 'weights.pth')}
    backbone = MODELS.build(tiny_backbone('dinov2', init_cfg=init_cfg))
    with pytest.raises(
        SetupError, match=r'lack encoder.layer.2.* and 17 more: they are of another'
    ):
        backbone.init_weights()


def test_the_missing_package_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == 'transformers':
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', without)
    with pytest.raises(SetupError, match=r"pip install 'mmseg-contrast\[transformers\]'"):
        MODELS.build(tiny_backbone('dinov2'))


# ------------------------------------------------------------------ a tiny training


@pytest.mark.parametrize('name', NAMES)
def test_a_training_lowers_the_loss(name, tmp_path):
    cfg = semi_model(name, linear_head(name), size=(16, 16), mixing=None)
    cfg['auxiliary_head'] = None
    settings = runner_cfg(tmp_path, cfg, 12, hooks=[{'type': 'MeanTeacherHook'}])
    settings['optim_wrapper']['optimizer'] = {'type': 'AdamW', 'lr': 3e-3}
    runner = Runner.from_cfg(settings)
    model = unwrap(runner.model)
    batches = [runner.train_dataloader.dataset[i] for i in (0, 1)]
    batch = {
        key: {
            branch: [each[key][branch] for each in batches] for branch in ('sup', 'weak', 'strong')
        }
        for key in ('inputs', 'data_samples')
    }

    def loss():
        with torch.no_grad():
            return model.loss(*prepared(model, batch))['sup.decode.loss_ce'].item()

    first = loss()
    runner.train()
    assert loss() < first
