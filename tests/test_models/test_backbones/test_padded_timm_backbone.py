"""Backbones of timm, which needs torchvision."""

import importlib

import pytest
import torch
from helpers import (
    build,
    head_cfg,
    plain_cfg,
    prepared,
    random_batch,
    semi_cfg,
    total_loss,
    without_gradient,
)
from mmengine.config import ConfigDict
from mmengine.model.base_module import BaseModule
from mmseg.models.backbones import timm_backbone
from mmseg.registry import MODELS
from tiny_backbones import dpt_head
from torch import nn

ODD = (45, 51)


def installed():
    try:
        return importlib.import_module('timm')
    except (ImportError, RuntimeError):  # the latter from a torchvision built for another torch
        return None


needs_timm = pytest.mark.skipif(
    installed() is None, reason='timm or its torchvision is not installed'
)
VIT = {'model_name': 'vit_tiny_patch16_224', 'embed_dim': 12, 'num_heads': 2, 'depth': 4}


class FakeTimm:
    """What MMSeg's wrapper calls, with strides 4 and 8 and no padding of its own."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Conv2d(3, 4, 4, 4), nn.Conv2d(4, 6, 2, 2)])

        def forward(self, x):
            first = self.layers[0](x)
            return [first, self.layers[1](first)]

    made = []

    @staticmethod
    def create_model(**kwargs):
        FakeTimm.made.append(kwargs)
        return FakeTimm.Net()


def test_images_are_padded(monkeypatch):
    monkeypatch.setattr(timm_backbone, 'timm', FakeTimm)
    cfg = {'type': 'PaddedTIMMBackbone', 'model_name': 'x', 'pretrained': False, 'size_divisor': 8}
    backbone = MODELS.build(cfg)
    assert isinstance(backbone, BaseModule)
    assert [tuple(f.shape) for f in backbone(torch.randn(1, 3, 13, 24))] == [
        (1, 4, 4, 6),
        (1, 6, 2, 3),
    ]
    images = torch.randn(1, 3, 16, 24)
    for own, expected in zip(backbone(images), backbone.timm_model(images)):
        assert torch.equal(own, expected)
    with pytest.raises(
        ValueError, match=r'PaddedTIMMBackbone\(size_divisor=0\) must be at least 1'
    ):
        MODELS.build({**cfg, 'size_divisor': 0})


def test_weights_are_loaded_once_and_not_for_the_teacher(monkeypatch):
    monkeypatch.setattr(timm_backbone, 'timm', FakeTimm)
    monkeypatch.setattr(FakeTimm, 'made', [])
    backbone = {'type': 'PaddedTIMMBackbone', 'model_name': 'x', 'size_divisor': 8}
    head = head_cfg(in_channels=6)
    cfg = semi_cfg(backbone=backbone, decode_head=head, auxiliary_head=None)
    model = MODELS.build(ConfigDict(cfg))
    assert [call['pretrained'] for call in FakeTimm.made] == [False, False]
    before = model.backbone.timm_model.layers[0].weight.clone()
    model.init_weights()
    assert [call['pretrained'] for call in FakeTimm.made[2:]] == [True]
    assert not torch.equal(model.backbone.timm_model.layers[0].weight, before)
    local = {'type': 'Pretrained', 'checkpoint': 'weights.pth'}
    build({**cfg, 'backbone': {**backbone, 'pretrained': False, 'init_cfg': local}})
    assert FakeTimm.made[-1]['pretrained_cfg_overlay'] == {'file': 'weights.pth'}
    calls = len(FakeTimm.made)
    build({**cfg, 'backbone': {**backbone, 'pretrained': False}})
    assert len(FakeTimm.made) == calls + 2


@needs_timm
def test_weights_of_a_file(tmp_path):
    import timm

    size = {key: value for key, value in VIT.items() if key != 'model_name'}
    net = timm.create_model(VIT['model_name'], pretrained=False, dynamic_img_size=True, **size)
    torch.save(net.state_dict(), tmp_path / 'weights.pth')
    backbone = MODELS.build(
        {
            'type': 'PaddedTIMMBackbone',
            'size_divisor': 16,
            'out_indices': (0, 1, 2, 3),
            'dynamic_img_size': True,
            'init_cfg': {'type': 'Pretrained', 'checkpoint': str(tmp_path / 'weights.pth')},
            **VIT,
        }
    )
    backbone.init_weights()
    weight = 'blocks.3.mlp.fc2.weight'
    assert torch.equal(backbone.timm_model.model.state_dict()[weight], net.state_dict()[weight])


@needs_timm
@pytest.mark.parametrize(
    ('model', 'divisor', 'shapes'),
    [
        ({**VIT, 'dynamic_img_size': True}, 16, [(12, 3, 4)] * 4),
        (
            {'model_name': 'convnextv2_atto', 'depths': (1, 1, 1, 1), 'dims': (4, 8, 8, 16)},
            32,
            [(4, 16, 16), (8, 8, 8), (8, 4, 4), (16, 2, 2)],
        ),
    ],
    ids=['ViT', 'ConvNeXt V2'],
)
def test_odd_sizes(model, divisor, shapes):
    backbone = MODELS.build(
        {
            'type': 'PaddedTIMMBackbone',
            'pretrained': False,
            'size_divisor': divisor,
            'out_indices': (0, 1, 2, 3),
            **model,
        }
    )
    assert [tuple(f.shape[1:]) for f in backbone(torch.randn(2, 3, *ODD))] == shapes


@needs_timm
@pytest.mark.parametrize('frozen', [False, True])
def test_it_trains_with_a_dpt_head(frozen):
    backbone = {
        'type': 'PaddedTIMMBackbone',
        'pretrained': False,
        'size_divisor': 16,
        'out_indices': (0, 1, 2, 3),
        'dynamic_img_size': True,
        **VIT,
    }
    if frozen:
        backbone = {**backbone, 'type': 'FrozenBackbone', 'of': 'PaddedTIMMBackbone'}
    cfg = semi_cfg(size=ODD, backbone=backbone, decode_head=dpt_head(in_channels=12))
    model = build({**cfg, 'auxiliary_head': None})
    total_loss(model, model.loss(*prepared(model, random_batch(size=ODD)))).backward()
    assert without_gradient(model) == []


def test_without_timm_it_says_so(monkeypatch):
    monkeypatch.setattr(timm_backbone, 'timm', None)
    with pytest.raises(RuntimeError, match='timm is not installed'):
        build(plain_cfg(backbone={'type': 'PaddedTIMMBackbone', 'model_name': 'x'}))
