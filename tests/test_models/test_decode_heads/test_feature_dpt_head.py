import pytest
import torch
import torch.nn.functional as F
from helpers import (
    bank_contrast_cfg,
    build,
    prepared,
    random_batch,
    semi_cfg,
    total_loss,
    without_gradient,
)
from mmengine.model import BaseModule
from mmseg.models.decode_heads import DPTHead
from mmseg.registry import MODELS
from tiny_backbones import WIDTH, dpt_head


@MODELS.register_module(force=True)
class FlatBackbone(BaseModule):
    """Four maps of one size, as a ViT gives them, in a tuple."""

    def __init__(self, patch=8):
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Conv2d(3, WIDTH, patch, patch) for _ in range(4))

    def forward(self, x):
        return tuple(layer(x) for layer in self.layers)


def maps(height=5, width=7, number=4):
    return [torch.randn(2, WIDTH, height, width) for _ in range(number)]


def test_it_is_mmsegs_head_without_class_tokens():
    own = MODELS.build(dpt_head()).eval()
    options = {k: v for k, v in dpt_head().items() if k not in ('type', 'in_channels')}
    theirs = DPTHead(
        embed_dims=WIDTH,
        in_channels=[WIDTH] * 4,
        in_index=[0, 1, 2, 3],
        input_transform='multiple_select',
        readout_type='ignore',
        **options,
    ).eval()
    theirs.load_state_dict(own.state_dict())
    inputs = maps()
    expected = theirs([(stage, torch.randn(2, WIDTH)) for stage in inputs])
    assert torch.equal(own(inputs), expected)
    assert torch.equal(own(tuple(inputs)), expected)


def test_it_takes_its_stages_out_of_many():
    head = MODELS.build(dpt_head(in_index=(2, 5, 8, 11))).eval()
    inputs = maps(number=12)
    chosen = MODELS.build(dpt_head()).eval()
    chosen.load_state_dict(head.state_dict())
    assert torch.equal(head(inputs), chosen([inputs[i] for i in (2, 5, 8, 11)]))
    with pytest.raises(ValueError, match=r'in_index=\(0, 1\)\): the head joins four stages'):
        MODELS.build(dpt_head(in_index=(0, 1)))


@pytest.mark.parametrize(('size', 'shape'), [((4, 6), (32, 48)), ((5, 7), (48, 64))])
def test_logits_have_eight_times_the_resolution(size, shape):
    assert MODELS.build(dpt_head())(maps(*size)).shape == (2, 3, *shape)


@pytest.mark.parametrize('in_index', [0, 'decode', 'decode.conv_seg'])
def test_methods_work_with_it(in_index):
    """Contrast on its features, complementary dropout on its inputs, and a teacher of its kind."""
    width = 8 if isinstance(in_index, str) else WIDTH
    views = [
        {'branch': branch, 'perturbation': {'type': 'ComplementaryDropout'}}
        for branch in ('weak', 'strong')
    ]
    cfg = semi_cfg(
        backbone={'type': 'FlatBackbone'},
        decode_head=dpt_head(),
        auxiliary_head=[bank_contrast_cfg(in_channels=width, in_index=in_index)],
        views=views,
    )
    model = build(cfg)
    losses = model.loss(*prepared(model, random_batch()))
    total_loss(model, losses).backward()
    assert without_gradient(model) == []
    assert all(torch.isfinite(value) for value in losses.values())
    assert losses['unsup.strong.loss_consistency'] > 0
    images = torch.randn(1, 3, 32, 32)
    model.eval()
    model.teacher_ema().copy()
    with model.predict_with('teacher'):
        teacher = model._forward(images)
    torch.testing.assert_close(teacher, model._forward(images))


def test_gradients_of_the_upsampled_logits():
    head = MODELS.build(dpt_head(norm_cfg=None)).double().eval()
    head.conv_seg.weight.data.normal_()
    stages = [
        torch.randn(1, WIDTH, 2, 2, dtype=torch.float64, requires_grad=True) for _ in range(4)
    ]
    total = F.interpolate(head(stages), size=(9, 9), mode='bilinear').square().sum()
    total.backward()
    assert all(stage.grad.abs().sum() > 0 for stage in stages)
