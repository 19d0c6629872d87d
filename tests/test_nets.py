"""Every net of `configs/_base_/models` that the recipes can take: with each kind of recipe, at odd sizes."""

import importlib.util
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmseg.models.backbones import timm_backbone
from mmseg.registry import MODELS

import mmseg_contrast  # noqa: F401
from mmseg_contrast.engine.checks.network import check_network
from mmseg_contrast.models.backbones import FrozenBackbone

BASE = Path(__file__).parents[1] / 'configs' / '_base_'
#: Millions of parameters of the backbone, and multiples that its images are padded to.
NETS = {
    'convnextv2-tiny_linear': (27.9, 32),
    'convnextv2-tiny_upernet': (27.9, 32),
    'dinov2-base_dpt': (86.6, 14),
    'dinov2-small_dpt': (22.1, 14),
    'dinov2-small_dpt_frozen': (22.1, 14),
    'dinov2-small_linear': (22.1, 14),
    'dinov2-small_linear_frozen': (22.1, 14),
    'dinov3-small_dpt': (21.6, 16),
    'dinov3-small_linear': (21.6, 16),
    'mobilenetv2': (1.8, None),
    'mobilenetv2_frozen': (1.8, None),
    'siglip2-base_linear': (85.8, 16),
    'swinv2-tiny_upernet': (27.6, 32),
}
ODD = (225, 231)
LEAF = """
_base_ = ['{base}/recipes/{recipe}.py', '{base}/models/{net}.py', '{base}/datasets/msrc21.py']
from mmseg_contrast.datasets.loaders import train_loader
data_preprocessor = dict(type=_base_.preprocessor, size=_base_.crop_size)
decode_head = dict(num_classes=_base_.num_classes)
model = dict(**_base_.method, data_preprocessor=data_preprocessor, decode_head=decode_head)
train_dataloader = train_loader(globals())
"""


def leaf(tmp_path, net, recipe):
    path = tmp_path / 'leaf.py'
    path.write_text(LEAF.format(base=BASE, net=net, recipe=recipe))
    return Config.fromfile(path)


def build(cfg):
    kind = cfg.model.backbone.get('of', cfg.model.backbone.type)
    if kind == 'TransformersBackbone' and importlib.util.find_spec('transformers') is None:
        pytest.skip('transformers is not installed')
    if kind == 'PaddedTIMMBackbone' and timm_backbone.timm is None:
        pytest.skip('timm is not installed')
    init_default_scope('mmseg')
    with torch.device('meta'):
        return MODELS.build(cfg.model)


def test_all_nets_with_rates_of_their_own_are_here():
    with_rates = {path.stem for path in (BASE / 'models').glob('*.py') if has_rates(path)}
    assert with_rates == set(NETS)


def has_rates(path):
    return 'optim_wrapper' in Config.fromfile(path)


@pytest.mark.parametrize('net', NETS)
@pytest.mark.parametrize('recipe', ['supervised', 'unimatch_v2_c3-contrast'])
def test_it_fits_the_recipe(net, recipe, tmp_path):
    model = build(leaf(tmp_path, net, recipe))
    millions, divisor = NETS[net]
    assert sum(p.numel() for p in model.backbone.parameters()) / 1e6 == pytest.approx(
        millions, abs=0.1
    )
    assert getattr(model.backbone, 'size_divisor', None) == divisor
    assert check_network(model, 2, ODD) == []
    frozen = net.endswith('_frozen')
    assert isinstance(model.backbone, FrozenBackbone) == frozen
    assert any(parameter.requires_grad for parameter in model.backbone.parameters()) != frozen
    if recipe != 'supervised':
        shared = model.teacher.backbone is model.backbone
        assert shared == frozen


@pytest.mark.parametrize(
    ('net', 'rates'),
    [
        ('mobilenetv2', {'backbone.conv1.conv.weight': 1e-4}),
        ('dinov2-small_linear', {'backbone.net.encoder.layer.0.norm1.weight': 5e-6}),
        ('dinov3-small_dpt', {'backbone.net.norm.weight': 5e-6}),
        (
            'convnextv2-tiny_upernet',
            {
                'backbone.net.hidden_states_norms.stage1.weight': 1e-4,
                'backbone.net.encoder.stages.3.layers.2.dwconv.weight': 1e-4 * 0.9,
                'backbone.net.embeddings.layernorm.weight': 1e-4 * 0.9**19,
            },
        ),
    ],
)
def test_rates_of_backbone_and_head(net, rates, tmp_path):
    cfg = leaf(tmp_path, net, 'supervised')
    model = build(cfg)
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = {names[id(p)]: group['lr'] for group in optimizer.param_groups for p in group['params']}
    for name, rate in rates.items():
        assert found[name] == pytest.approx(rate, rel=1e-9), name
    head = cfg.optim_wrapper.optimizer.lr
    assert all(rate == head for name, rate in found.items() if name.startswith('decode_head'))


def test_the_weights_are_changed_by_one_setting(tmp_path):
    for net in NETS:
        cfg = leaf(tmp_path, net, 'supervised')
        if 'siglip' not in net:
            cfg.merge_from_dict({'model.backbone.init_cfg.checkpoint': 'here'})
            assert cfg.model.backbone.init_cfg == {'type': 'Pretrained', 'checkpoint': 'here'}
