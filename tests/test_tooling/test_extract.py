import pytest
import torch

from mmseg_contrast.tooling.extract import (
    own_types,
    plain_config,
    plain_dataset,
    select_branch,
)

HEADS = {'0': ['conv_seg', 'convs'], '1': ['projector'], '2': ['conv_seg']}


def state(prefix='', offset=0.0, heads=HEADS):
    keys = ['backbone.conv1', 'backbone.bn.running_mean', 'decode_head.conv_seg']
    keys += [f'auxiliary_head.{i}.{part}' for i, parts in heads.items() for part in parts]
    keys += ['decode_head.memory_bank.rows', 'auxiliary_head.0.bank.count']
    return {f'{prefix}{key}': torch.tensor(offset + i) for i, key in enumerate(keys)}


def test_select_branch_takes_the_values_of_that_branch():
    both = {**state(), **state('teacher.', 100.0), 'ema_steps': torch.tensor(7)}
    student, heads = select_branch(both, 'student')
    teacher, _ = select_branch(both, 'teacher')
    expected = {
        'backbone.conv1': 0,
        'backbone.bn.running_mean': 1,
        'decode_head.conv_seg': 2,
        'auxiliary_head.0.conv_seg': 3,
        'auxiliary_head.0.convs': 4,
        'auxiliary_head.1.conv_seg': 6,  # head 2 moved up, for head 1 is a contrast head
    }
    assert {k: v.item() for k, v in student.items()} == expected
    assert {k: v.item() - 100 for k, v in teacher.items()} == expected
    assert heads == [0, 2]


def test_select_branch_keeps_one_remaining_head_in_its_list():
    weights, heads = select_branch(state(heads={'0': ['projector'], '1': ['conv_seg']}), 'student')
    assert heads == [1]
    assert 'auxiliary_head.0.conv_seg' in weights
    assert not [key for key in weights if key.startswith('auxiliary_head.1')]


def test_select_branch_of_a_single_head():
    plain = {'backbone.w': torch.zeros(1), 'auxiliary_head.conv_seg.weight': torch.ones(1)}
    assert select_branch(plain, 'student') == (plain, None)
    contrast = {'backbone.w': torch.zeros(1), 'auxiliary_head.projector.0.weight': torch.ones(1)}
    weights, heads = select_branch(contrast, 'student')
    assert (list(weights), heads) == (['backbone.w'], [])


def test_a_classifying_head_with_a_projector_is_no_contrast_head():
    _, heads = select_branch(state(heads={'0': ['projector', 'conv_seg']}), 'student')
    assert heads == [0]


def test_select_branch_errors():
    with pytest.raises(ValueError, match='holds no teacher: none of its 9 keys'):
        select_branch(state(), 'teacher')
    with pytest.raises(ValueError, match="unknown branch 'ema'"):
        select_branch(state(), 'ema')


def test_plain_dataset_states_what_the_class_knew():
    from mmseg_contrast.datasets import CamVidDataset

    plain = plain_dataset({'type': 'CamVidDataset', 'data_root': 'r', 'pipeline': [1]})
    assert plain['type'] == 'BaseSegDataset'
    assert plain['metainfo']['classes'] == CamVidDataset.METAINFO['classes']
    assert plain['metainfo']['palette'] == CamVidDataset.METAINFO['palette']
    assert (plain['img_suffix'], plain['seg_map_suffix']) == ('.jpg', '.png')
    assert (plain['data_root'], plain['pipeline']) == ('r', [1])


def test_plain_dataset_leaves_alone_what_it_cannot_replace():
    for kind in ('CityscapesDataset', 'GTA5Dataset'):  # MMSegmentation's own; maps ids on loading
        assert plain_dataset({'type': kind})['type'] == kind
    assert list(own_types([{'a': {'type': 'GTA5Dataset'}}, {'type': 'CityscapesDataset'}])) == [
        'GTA5Dataset'
    ]


SEMI = {
    'default_scope': 'mmseg',
    'custom_imports': {'imports': ['mmseg_contrast', 'mmpretrain.models']},
    'custom_hooks': [{'type': 'MeanTeacherHook'}],
    'default_hooks': {'timer': {'type': 'IterTimerHook'}, 'checkpoint': {'type': 'CheckpointHook'}},
    'train_dataloader': {},
    'train_cfg': {},
    'optim_wrapper': {},
    'model': {
        'type': 'SemiSupervisedSegmentor',
        'data_preprocessor': {'type': 'MultiBranchDataPreprocessor', 'mean': [0.0], 'other': 1},
        'pretrained': 'open-mmlab://x',
        'backbone': {'type': 'STDCNet', 'init_cfg': {'type': 'Pretrained'}},
        'decode_head': {'type': 'FCNHead'},
        'auxiliary_head': [{'type': 'FCNHead', 'i': 0}, {'type': 'C'}, {'type': 'FCNHead', 'i': 2}],
        'selector': {},
        'mixing': {},
        'unsup_loss': {},
        'semi_train_cfg': {},
        'semi_test_cfg': {},
        'test_cfg': {'mode': 'whole'},
    },
    'val_dataloader': {'dataset': {'type': 'CamVidDataset'}},
    'val_evaluator': {'type': 'IoUMetric'},
    'val_cfg': {'type': 'TeacherStudentValLoop'},
}


def test_plain_config():
    plain = plain_config(SEMI, [0, 2])
    assert plain['model'] == {
        'type': 'EncoderDecoder',
        'data_preprocessor': {'type': 'SegDataPreProcessor', 'mean': [0.0]},
        'pretrained': None,
        'backbone': {'type': 'STDCNet'},
        'decode_head': {'type': 'FCNHead'},
        'auxiliary_head': [{'type': 'FCNHead', 'i': 0}, {'type': 'FCNHead', 'i': 2}],
        'test_cfg': {'mode': 'whole'},
    }
    assert plain['val_cfg'] == {'type': 'ValLoop'}
    assert plain['val_dataloader']['dataset']['type'] == 'BaseSegDataset'
    assert plain['default_hooks'] == {'timer': {'type': 'IterTimerHook'}}
    assert plain['custom_imports']['imports'] == ['mmpretrain.models']
    assert not {'train_dataloader', 'train_cfg', 'optim_wrapper', 'custom_hooks'} & set(plain)
    assert not list(own_types(plain))
    assert SEMI['model']['type'] == 'SemiSupervisedSegmentor'  # the input is left as it was


def test_plain_config_without_any_auxiliary_head():
    assert 'auxiliary_head' not in plain_config(SEMI, [])['model']


def test_plain_config_leaves_out_our_losses_and_keeps_the_others():
    ours, theirs = {'type': 'PixelCrossEntropyLoss'}, {'type': 'CrossEntropyLoss'}
    model = {
        **SEMI['model'],
        'decode_head': {'type': 'FCNHead', 'loss_decode': [theirs, ours]},
        'auxiliary_head': {'type': 'FCNHead', 'loss_decode': ours},
    }
    plain = plain_config({**SEMI, 'model': model}, None)
    assert plain['model']['decode_head'] == {'type': 'FCNHead'}
    assert plain['model']['auxiliary_head'] == {'type': 'FCNHead'}
    assert not list(own_types(plain))
    model['decode_head']['loss_decode'] = theirs
    plain = plain_config({**SEMI, 'model': model}, None)
    assert plain['model']['decode_head']['loss_decode'] == theirs


def test_plain_config_keeps_the_import_where_a_component_needs_it():
    config = {**SEMI, 'model': {**SEMI['model'], 'decode_head': {'type': 'DeepLabV2Head'}}}
    plain = plain_config(config, [0, 2])
    assert list(own_types(plain)) == ['DeepLabV2Head']
    assert plain['custom_imports']['imports'] == ['mmseg_contrast', 'mmpretrain.models']


def test_loading_transforms_are_those_of_mmseg_without_this_package():
    pipeline = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}]
    assert list(own_types({'pipeline': [*pipeline, {'type': 'LoadValidMap'}]})) == ['LoadValidMap']
