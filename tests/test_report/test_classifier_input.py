import torch
import torch.nn.functional as F
from helpers import build, plain_cfg
from torch import nn

from mmseg_contrast.report.classifier_input import ClassifierInputs

IMAGES = torch.ones(2, 3, 32, 32)


def test_the_input_of_the_classifier_explains_its_output():
    model = build(plain_cfg(), train=False)
    with ClassifierInputs({'student': model}) as inputs, torch.no_grad():
        logits = model.encode_decode(IMAGES, [{'img_shape': (32, 32)}] * 2)
        feature = inputs.take('student')
        small = model.decode_head.conv_seg(feature)
    assert feature.shape[:2] == (2, model.decode_head.channels)
    assert torch.allclose(F.interpolate(small, size=(32, 32), mode='bilinear'), logits, atol=1e-6)


def test_several_calls_for_a_batch_say_nothing():
    model = build(plain_cfg(), train=False)
    with ClassifierInputs({'student': model}) as inputs, torch.no_grad():
        for _ in range(2):
            model.encode_decode(IMAGES, [{'img_shape': (32, 32)}] * 2)
        assert inputs.take('student') is None
        assert inputs.take('student') is None, 'what was seen is forgotten'
        model.encode_decode(IMAGES, [{'img_shape': (32, 32)}] * 2)
        assert inputs.take('student') is not None


def test_the_model_is_left_as_it_was():
    model = build(plain_cfg(), train=False)
    with ClassifierInputs({'student': model}):
        assert len(model.decode_head.conv_seg._forward_pre_hooks) == 1
    assert len(model.decode_head.conv_seg._forward_pre_hooks) == 0


def test_a_model_without_classifier_has_no_input():
    inputs = ClassifierInputs({'student': nn.Identity()})
    inputs.attach()
    assert inputs.take('student') is None
