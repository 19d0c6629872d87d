import copy

import pytest
import torch
from helpers import CHANNELS, build, contrast_cfg, head_cfg, prepared, random_batch, semi_cfg
from mmseg.registry import MODELS

from mmseg_contrast.models.decode_heads.decode_features import record_input, take_inputs

BOTH = ['decode', 'decode.conv_seg']


def head(dropout_ratio=0.5, wheres=BOTH, **kwargs):
    torch.manual_seed(0)
    module = MODELS.build(head_cfg(dropout_ratio=dropout_ratio, **kwargs))
    for where in wheres:
        record_input(module, where)
    return module


def stages():
    return torch.rand(4, CHANNELS, 8, 8), torch.rand(4, CHANNELS, 4, 4)


def test_the_feature_is_that_before_the_dropout_and_its_twin_that_after():
    module, inputs = head().train(), stages()
    logits = module(inputs)
    taken = take_inputs(module, BOTH)
    torch.testing.assert_close(module.conv_seg(taken['decode.conv_seg']), logits)
    dropped = (taken['decode.conv_seg'] == 0).all((2, 3))
    assert 0 < dropped.sum() < dropped.numel()
    kept = ~dropped[:, :, None, None]
    # Dropout with p = 0.5 doubles what stays.
    torch.testing.assert_close(2 * taken['decode'] * kept, taken['decode.conv_seg'])
    module.convs[0].bn.momentum = 0
    torch.testing.assert_close(taken['decode'], module.convs(inputs[1]))


@pytest.mark.parametrize('dropout_ratio', [0, 0.5])
def test_without_dropout_and_in_eval_mode_both_are_the_same(dropout_ratio):
    module = head(dropout_ratio).eval()
    module(stages())
    taken = take_inputs(module, BOTH)
    assert torch.equal(taken['decode'], taken['decode.conv_seg'])


def test_a_head_that_drops_elsewhere_too():
    # DANet's head drops before each of three classifiers; the feature belongs to the joint one.
    cfg = head_cfg(dropout_ratio=0.5, type='DAHead', pam_channels=4)
    for key in ('num_convs', 'concat_input', 'out_channels'):
        cfg.pop(key)
    cfg['loss_decode'] = {'type': 'CrossEntropyLoss'}
    module = MODELS.build(cfg).train()
    for where in BOTH:
        record_input(module, where)
    outputs = module(stages())
    taken = take_inputs(module, BOTH)
    torch.testing.assert_close(module.conv_seg(taken['decode.conv_seg']), outputs[0])
    kept = (taken['decode.conv_seg'] != 0).any(3, keepdim=True).any(2, keepdim=True)
    assert not kept.all()
    torch.testing.assert_close(2 * taken['decode'] * kept, taken['decode.conv_seg'])


def test_the_input_of_a_part_and_of_one_that_the_forward_leaves_out():
    module = head(wheres=['decode.convs', 'decode.loss_decode'])
    inputs = stages()
    module(inputs)
    taken = take_inputs(module, ['decode.convs', 'decode.loss_decode'])
    assert list(taken) == ['decode.convs'] and taken['decode.convs'] is inputs[1]


def test_what_was_taken_is_forgotten_and_copies_keep_their_own():
    module = head().train()
    other = copy.deepcopy(module)
    module(stages())
    assert take_inputs(other, BOTH) == {}
    assert set(take_inputs(module, BOTH)) == set(BOTH)
    assert take_inputs(module, BOTH) == {}
    for part in module.modules():
        assert not {'seen', 'dropped'} & vars(part).keys()


def test_an_unknown_part_is_named():
    with pytest.raises(ValueError, match=r"in_index='decode.nothing' .* 'nothing', FCNHead has"):
        head(wheres=['decode.nothing'])


@pytest.mark.parametrize('teacher_norm', ['running', 'batch'])
def test_student_and_teacher_contrast_the_feature_before_their_dropout(teacher_norm):
    cfg = semi_cfg(
        decode_head=head_cfg(dropout_ratio=0.5),
        auxiliary_head=[contrast_cfg(in_index='decode')],
        semi_train_cfg={'teacher_norm': teacher_norm},
    )
    model = build(cfg)
    seen = []
    for branch in (model, model.teacher):
        projector = branch.auxiliary_head[0].projector
        projector.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        # Channels that nothing but a dropout can silence.
        branch.decode_head.convs[0].bn.bias.data.fill_(3.0)
    model.loss(*prepared(model, random_batch(2, 2)))
    assert len(seen) == 2
    for feature in seen:
        assert (feature.amax((2, 3)) > 0).all()
