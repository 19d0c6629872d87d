"""The page of the backbones names each net, links to files that exist, and freezes a backbone as it says."""

import re
from pathlib import Path

import pytest

from mmseg_contrast.tooling.overrides import read_config

ROOT = Path(__file__).parents[2]
PAGE = ROOT / 'docs' / 'backbones.md'
CONFIG = ROOT / 'configs' / 'baselines' / 'sup_mobilenetv2_msrc21-21-192x192.py'


def test_each_net_with_weights_is_named():
    text = PAGE.read_text(encoding='utf-8')
    nets = {path.stem for path in (ROOT / 'configs' / '_base_' / 'models').glob('*.py')}
    listed = set(re.findall(r'`([a-z0-9-]+_?[a-z0-9-]*)`', text)) & nets
    with_weights = {n for n in nets if re.match('dinov|convnextv|swinv|siglip|mobilenet', n)}
    assert listed == {n for n in with_weights if not n.endswith('_frozen')} | {
        'upernet_convnext-tiny'
    }


def test_links_lead_to_files():
    links = re.findall(r'\]\(([^)#]+)\)', PAGE.read_text(encoding='utf-8'))
    assert links
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


def test_the_command_line_freezes_a_backbone():
    assert 'model.backbone.type=FrozenBackbone model.backbone.of=MobileNetV2' in PAGE.read_text()
    changes = {'model.backbone.type': 'FrozenBackbone', 'model.backbone.of': 'MobileNetV2'}
    backbone = read_config(CONFIG, changes).model.backbone
    plain = read_config(CONFIG, {}).model.backbone
    assert backbone == {**plain, 'type': 'FrozenBackbone', 'of': 'MobileNetV2'}
    frozen = ROOT / 'configs' / '_base_' / 'models' / 'mobilenetv2_frozen.py'
    changed = read_config(frozen, {'model.backbone.norm_eval': True}).model.backbone
    assert changed.norm_eval is True
    with pytest.raises(
        KeyError, match=r'there is no key norm_evil in model\.backbone; did you mean'
    ):
        read_config(frozen, {'model.backbone.norm_evil': True})


def test_the_command_line_lowers_rates_by_layer():
    changes = {
        'optim_wrapper.constructor': 'LayerDecayConstructor',
        'optim_wrapper.paramwise_cfg.layer_decay': 0.9,
    }
    rules = read_config(CONFIG, changes).optim_wrapper.paramwise_cfg
    assert (rules.layer_decay, rules.custom_keys.backbone.lr_mult) == (0.9, 0.2)
