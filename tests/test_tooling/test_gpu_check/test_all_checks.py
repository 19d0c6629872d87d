"""The list of checks holds what a card is judged by."""

import importlib.util

import pytest

from mmseg_contrast.tooling.gpu_check import all_checks
from mmseg_contrast.tooling.gpu_check.check import CheckSkipped, Settings
from mmseg_contrast.tooling.gpu_check.methods import METHODS
from mmseg_contrast.tooling.gpu_check.same_on_cpu import KERNELS

METHOD_NAMES = {method.name for method in METHODS}


def test_each_method_and_kernel_is_checked_and_what_is_right_before_what_is_fast():
    names = [check.name for check in all_checks.all_checks()]
    assert len(set(names)) == len(names)
    for group in ('same', 'syncs', 'step'):
        assert {f'{group}/{name}' for name in METHOD_NAMES} <= set(names)
    assert {f'same/{name}' for name in KERNELS} <= set(names)
    assert {'compile', 'processes', 'kernel/bank_update', 'kernel/within_image'} <= set(names)
    assert {
        f'dinov2/{size}-{how}' for size in ('small', 'base') for how in ('frozen', 'tuned')
    } <= set(names)
    first = names.index('step/c3semiseg')
    assert all(names.index(f'{group}/csc') < first for group in ('same', 'syncs'))


def test_tiles_are_tried_on_demand():
    names = [check.name for check in all_checks.all_checks(tune=True)]
    assert names == [check.name for check in all_checks.all_checks()] + ['tiles']


def test_syncs_are_looked_for_at_the_papers_net(monkeypatch):
    seen = []
    monkeypatch.setattr(all_checks, 'check_syncs', lambda cfg, settings: seen.append(cfg))
    (method,) = [method for method in METHODS if method.name == 'csc']
    for device in ('cuda', 'cpu'):
        all_checks._syncs(method, Settings(device))
    large, small = seen
    assert large.model.backbone.depth == 101 and small.model.backbone.depth == 18
    assert tuple(large.model.data_preprocessor.size) == all_checks.SYNC_SIZE


def test_without_transformers_dinov2_is_skipped(monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(CheckSkipped, match='transformers is not installed: pip install'):
        all_checks._vit('small', True, Settings('cpu'))


@pytest.mark.parametrize(
    ('size', 'width', 'heads', 'stages'),
    [('small', 384, 6, [48, 96, 192, 384]), ('base', 768, 12, [96, 192, 384, 768])],
)
@pytest.mark.parametrize('frozen', [True, False])
def test_the_sizes_are_those_of_dinov2(size, width, heads, stages, frozen):
    cfg = all_checks.vit_config(size, frozen, dry=False)
    backbone = cfg.model.backbone
    assert backbone.type == ('FrozenBackbone' if frozen else 'TransformersBackbone')
    assert (backbone.config.hidden_size, backbone.config.num_attention_heads) == (width, heads)
    assert backbone.config.num_hidden_layers == 12
    assert cfg.model.decode_head.post_process_channels == stages
    assert tuple(cfg.model.data_preprocessor.size) == (518, 518)
    assert 'Pretrained' not in str(cfg.model), 'nothing is downloaded'


@pytest.mark.parametrize('frozen', [True, False])
def test_dinov2_runs_dry(frozen):
    pytest.importorskip('transformers')
    said = all_checks._vit('base', frozen, Settings('cpu')).sentence
    assert said == 'runs with 2 + 2 images of 28x28; nothing is measured without a card'
