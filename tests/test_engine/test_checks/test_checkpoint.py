import re

import pytest
import torch

from mmseg_contrast.engine.checks.checkpoint import check_state_dict, missing_weights


def weights(**shapes):
    return {key.replace('__', '.'): torch.zeros(shape) for key, shape in shapes.items()}


MODEL = weights(
    backbone__conv__weight=(4, 3, 3, 3),
    backbone__bn__num_batches_tracked=(),
    decode_head__conv_seg__weight=(11, 4, 1, 1),
    auxiliary_head__proj__weight=(8, 4),
    teacher__backbone__conv__weight=(4, 3, 3, 3),
    teacher__decode_head__conv_seg__weight=(11, 4, 1, 1),
)


def only(*starts):
    return {key: value for key, value in MODEL.items() if key.startswith(starts)}


@pytest.mark.parametrize(
    'loaded',
    [
        MODEL,
        only('backbone', 'decode_head'),
        only('backbone'),
        {f'module.{key}': value for key, value in MODEL.items()},
        only('backbone.conv'),
        {**only('backbone', 'decode_head'), **weights(auxiliary_head__other=(1,))},
    ],
    ids=['same', 'plain', 'backbone', 'wrapped', 'old', 'other_auxiliary'],
)
def test_checkpoints_that_fit(loaded):
    assert check_state_dict(loaded, MODEL) == []
    # A semi-supervised checkpoint fits a plain model as well.
    assert check_state_dict(MODEL, only('backbone', 'decode_head')) == []


@pytest.mark.parametrize(
    ('loaded', 'what'),
    [
        (
            {**MODEL, **weights(decode_head__conv_seg__weight=(19, 4, 1, 1))},
            'it has 19 classes, but the model 11',
        ),
        (
            {**MODEL, **weights(backbone__conv__weight=(8, 3, 3, 3))},
            r'backbone.conv.weight has the shape \(8, 3, 3, 3\), but in the model \(4, 3, 3, 3\)',
        ),
        (weights(layer1__weight=(3,)), 'none of its weights'),
        (
            {**only('backbone'), **weights(decode_head__other__weight=(3,))},
            'it lacks decode_head.conv_seg.weight',
        ),
        (
            {**MODEL, **weights(backbone__layer4__weight=(3,))},
            'the model lacks backbone.layer4.weight',
        ),
    ],
)
def test_checkpoints_of_other_models(loaded, what):
    (problem,) = check_state_dict(loaded, MODEL)
    assert problem.place == 'checkpoint'
    assert re.search(what, problem.what)


PRETRAINED = {
    **only('backbone'),
    **weights(projector__layers__0__weight=(8, 4, 1, 1), decode_head__convs__weight=(4, 4)),
}


FINE_TUNED = {
    **only('backbone'),
    **weights(
        decode_head__convs__weight=(4, 4),
        decode_head__conv_seg__weight=(11, 4, 1, 1),
        decode_head__conv_seg__bias=(11,),
        auxiliary_head__conv_seg__weight=(11, 4, 1, 1),
    ),
}


def test_a_pretraining_has_no_classifier():
    assert check_state_dict(PRETRAINED, FINE_TUNED) == []
    assert check_state_dict(FINE_TUNED, PRETRAINED) == []


@pytest.mark.parametrize(
    ('change', 'what'),
    [
        ({'decode_head.convs.weight': None}, 'it lacks decode_head.convs.weight'),
        ({'decode_head.other': torch.zeros(1)}, 'the model lacks decode_head.other'),
        ({'projector.layers.0.weight': None}, 'it lacks decode_head.conv_seg.bias'),
        (
            {'backbone.conv.weight': torch.zeros(2, 3)},
            r'backbone.conv.weight has the shape \(2, 3\)',
        ),
    ],
)
def test_foreign_checkpoints_are_refused_even_with_a_projector(change, what):
    loaded = {k: v for k, v in {**PRETRAINED, **change}.items() if v is not None}
    (problem,) = check_state_dict(loaded, FINE_TUNED)
    assert re.search(what, str(problem))


def test_weights_that_a_checkpoint_lacks():
    loaded = {f'module.{key}': value for key, value in only('backbone', 'auxiliary').items()}
    assert missing_weights(loaded, MODEL) == ['decode_head.conv_seg.weight']
    assert missing_weights(MODEL, only('backbone', 'decode_head')) == []
    assert missing_weights({}, only('backbone')) == ['backbone.conv.weight'], 'batches do not count'
