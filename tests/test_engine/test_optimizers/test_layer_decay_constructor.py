import pytest
import torch
from helpers import build, plain_cfg, semi_cfg
from mmengine.optim import build_optim_wrapper
from mmseg.registry import MODELS
from tiny_backbones import TINY, tiny_backbone

from mmseg_contrast.engine.optimizers import LayerDecayConstructor
from mmseg_contrast.problem import SetupError


@MODELS.register_module(force=True)
class LayeredBackbone(MODELS.get('TinyBackbone')):
    """The tiny backbone, which knows that it has two layers."""

    def get_layer_depth(self, name, prefix=''):
        return int(name.removeprefix(prefix)[len('stage')]), 4


def rates(model, constructor=LayerDecayConstructor, lr=1.0, **paramwise_cfg):
    optimizer = {'type': 'AdamW', 'lr': lr, 'weight_decay': 0.5}
    cfg = {'type': 'OptimWrapper', 'optimizer': optimizer, 'paramwise_cfg': paramwise_cfg}
    wrapper = build_optim_wrapper(model, {**cfg, 'constructor': constructor.__name__})
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = wrapper.optimizer.param_groups
    return {
        names[id(p)]: (group['lr'], group['weight_decay'])
        for group in groups
        for p in group['params']
    }


@pytest.mark.parametrize('cfg', [plain_cfg, semi_cfg], ids=['plain', 'semi-supervised'])
def test_rates_fall_from_the_heads_to_the_first_layer(cfg):
    model = build(cfg(backbone={'type': 'LayeredBackbone'}))
    found = rates(model, layer_decay=0.5, custom_keys={'backbone': {'lr_mult': 1 / 40}})
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained <= found.keys()
    for name in trained:
        # Depths 0 to 3: layer 1 is two below the top of the backbone, layer 2 is one.
        expected = {'backbone.stage1': 0.25 / 40, 'backbone.stage2': 0.5 / 40}.get(
            '.'.join(name.split('.')[:2]), 1.0
        )
        assert found[name] == (pytest.approx(expected, rel=1e-12), 0.5), name


def test_other_rules_hold_beside_it():
    model = build(plain_cfg(backbone={'type': 'LayeredBackbone'}))
    assert rates(model, layer_decay=0.5)['backbone.stage2.0.weight'] == (0.5, 0.5)
    found = rates(model, lr=0.1, layer_decay=0.5, norm_decay_mult=0.0)
    assert found['backbone.stage2.0.weight'] == (pytest.approx(0.05), 0.5)
    assert found['backbone.stage2.1.weight'] == (pytest.approx(0.05), 0.0)
    assert found['decode_head.conv_seg.weight'] == (0.1, 0.5)


def test_rates_of_backbone_and_head_without_decay_are_custom_keys():
    """What MMEngine itself gives, by the names of parameters that our segmentors have."""
    from mmengine.optim import DefaultOptimWrapperConstructor

    model = build(semi_cfg())
    found = rates(
        model, DefaultOptimWrapperConstructor, custom_keys={'backbone': {'lr_mult': 1 / 40}}
    )
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert found[name][0] == (1 / 40 if name.startswith('backbone') else 1.0), name


@pytest.mark.parametrize(
    ('name', 'depths'),
    [
        (
            'dinov2',
            {
                'net.embeddings.cls_token': 0,
                'net.embeddings.patch_embeddings.projection.weight': 0,
                'net.encoder.layer.0.norm1.weight': 1,
                'net.encoder.layer.3.mlp.fc1.weight': 4,
                'net.layernorm.weight': 5,
            },
        ),
        (
            'dinov3_vit',
            {
                'net.embeddings.register_tokens': 0,
                'net.model.layer.3.mlp.up_proj.weight': 4,
                'net.norm.weight': 5,
            },
        ),
        (
            'convnextv2',
            {
                'net.embeddings.patch_embeddings.weight': 0,
                'net.encoder.stages.0.layers.0.dwconv.weight': 1,
                'net.encoder.stages.2.downsampling_layer.1.weight': 3,
                'net.encoder.stages.2.layers.0.pwconv1.weight': 3,
                'net.encoder.stages.2.layers.1.pwconv1.weight': 4,
                'net.encoder.stages.3.layers.0.pwconv1.weight': 5,
                'net.hidden_states_norms.stage1.weight': 6,
            },
        ),
        (
            'swinv2',
            {
                'net.embeddings.norm.weight': 0,
                'net.encoder.layers.0.blocks.0.layernorm_after.weight': 1,
                'net.encoder.layers.0.downsample.reduction.weight': 2,
                'net.encoder.layers.2.blocks.1.layernorm_after.weight': 4,
                'net.encoder.layers.3.blocks.0.output.dense.weight': 5,
            },
        ),
    ],
)
def test_depths_of_transformers_backbones(name, depths):
    pytest.importorskip('transformers')
    with torch.device('meta'):
        backbone = MODELS.build(tiny_backbone(name))
    last = sum(TINY[name].get('depths', [4]))
    names = dict(backbone.named_parameters())
    for parameter, depth in depths.items():
        assert parameter in names
        found = backbone.get_layer_depth(f'backbone.{parameter}', 'backbone.')
        assert found == (depth, last + 2), parameter
    assert {backbone.get_layer_depth(each)[0] for each in names} >= set(range(last + 1))


def test_bad_input_is_named():
    model = build(plain_cfg())
    with pytest.raises(ValueError, match=r'needs paramwise_cfg\.layer_decay: give a factor'):
        rates(model)
    with pytest.raises(ValueError, match=r'LayerDecayConstructor\(layer_decay=1.5\) is a factor'):
        rates(model, layer_decay=1.5)
    with pytest.raises(SetupError, match='TinyBackbone has no get_layer_depth'):
        rates(model, layer_decay=0.8)
