import pytest
import torch
import torch.nn.functional as F
from helpers import CHANNELS, build, contrast_cfg, plain_cfg, prepared, random_batch, semi_cfg
from mmseg.registry import MODELS

from mmseg_contrast.models.decode_heads import DeepLabV2Head


def cfg(**kwargs):
    return {
        'type': 'DeepLabV2Head',
        'in_channels': CHANNELS,
        'in_index': 1,
        'num_classes': 3,
        'loss_decode': {'type': 'PixelCrossEntropyLoss'},
        **kwargs,
    }


@pytest.mark.parametrize('dilations', [None, (6, 12)])
def test_is_the_sum_of_atrous_convolutions(dilations):
    head = MODELS.build(cfg() if dilations is None else cfg(dilations=dilations))
    rates = (6, 12, 18, 24) if dilations is None else dilations
    assert isinstance(head, DeepLabV2Head)
    assert len(head.branches) == len(rates)
    x = torch.randn(2, CHANNELS, 9, 7)
    result = head([None, x])
    assert result.shape == (2, 3, 9, 7)
    expected = torch.zeros(2, 3, 9, 7)
    for conv, rate in zip(head.branches, rates):
        padded = F.pad(x, [rate] * 4)
        for i in range(3):
            for j in range(3):
                patch = padded[:, :, i * rate : i * rate + 9, j * rate : j * rate + 7]
                expected += torch.einsum('oc,bchw->bohw', conv.weight[:, :, i, j], patch)
        expected += conv.bias.view(1, -1, 1, 1)
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)


def test_has_no_classifier_and_starts_at_the_published_scale():
    head = MODELS.build(cfg(in_channels=64))
    head.init_weights()
    assert {name.split('.')[0] for name in head.state_dict()} == {'branches'}
    for conv in head.branches:
        assert conv.weight.std().item() == pytest.approx(0.01, rel=0.1)
        assert not conv.bias.any()


def test_trains_and_predicts_in_mmseg():
    model = build(plain_cfg(decode_head=cfg()))
    images, samples = prepared(model, random_batch(2, 0))
    losses = model.loss(images['sup'], samples['sup'])
    losses['decode.loss_ce'].backward()
    assert all(p.grad is not None for p in model.parameters())
    result = model.eval().predict(images['sup'])
    assert result[0].pred_sem_seg.data.shape == (1, 32, 32)


def test_contrast_on_its_classifier_input_is_refused():
    with pytest.raises(ValueError, match=r"in_index='decode'.*DeepLabV2Head"):
        build(semi_cfg(decode_head=cfg(), auxiliary_head=[contrast_cfg(in_index='decode')]))
