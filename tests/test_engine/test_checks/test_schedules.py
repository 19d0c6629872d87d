import math
from types import SimpleNamespace

import pytest
import torch
from helpers import bank_contrast_cfg, build, contrast_cfg, memory_bank_cfg, semi_cfg
from mmengine.hooks import CheckpointHook, EMAHook
from mmengine.optim import OptimWrapper
from mmengine.registry import PARAM_SCHEDULERS

from mmseg_contrast.engine.checks.schedules import (
    check_averages,
    check_checkpoints,
    check_custom_keys,
    check_param_schedulers,
    check_rates,
    check_starts,
    check_validation,
)
from mmseg_contrast.engine.hooks import MeanTeacherHook


def schedulers(*cfgs):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    return [
        PARAM_SCHEDULERS.build({'by_epoch': False, **cfg, 'optimizer': optimizer}) for cfg in cfgs
    ]


WARMUP = {'type': 'LinearLR', 'start_factor': 0.1, 'begin': 0, 'end': 10}


@pytest.mark.parametrize(
    'cfgs',
    [
        [],
        [{'type': 'PolyLR', 'begin': 0, 'end': 100}],
        [WARMUP, {'type': 'PolyLR', 'begin': 10, 'end': 100}],
        [WARMUP],
        [WARMUP, {'type': 'CosineAnnealingLR', 'T_max': 90, 'begin': 10, 'end': 100}],
        [{'type': 'CosineAnnealingLR', 'T_max': 100}],
        [{'type': 'OneCycleLR', 'eta_max': 1, 'total_steps': 100}],
        [{'type': 'MultiStepLR', 'milestones': [60, 90]}],
        [{'type': 'StepLR', 'step_size': 99}, {'type': 'ExponentialLR', 'gamma': 0.9}],
        [{'type': 'PolyLR', 'end': 100}, {'type': 'PolyMomentum', 'end': 100}],
    ],
)
def test_schedules_that_fit(cfgs):
    assert check_param_schedulers(schedulers(*cfgs), 100) == []
    assert check_param_schedulers({'net': schedulers(*cfgs)}, 100) == []


@pytest.mark.parametrize(
    ('cfg', 'said'),
    [
        (
            {'type': 'PolyLR', 'end': 25},
            'param_scheduler[1].end: PolyLR ends at 25 of 100 iterations, and the lr keeps its last value '
            'from there on; set it to 100.',
        ),
        (
            {'type': 'PolyLR', 'end': 400},
            'param_scheduler[1].end: PolyLR ends at 400, and the training after 100 iterations, before '
            'its last value; set it to 100.',
        ),
        (
            {'type': 'PolyLR'},
            'param_scheduler[1].end: PolyLR has no end, so that the lr hardly changes; set it to 100.',
        ),
        (
            {'type': 'PolyLR', 'end': 100, 'by_epoch': True},
            'param_scheduler[1].by_epoch: PolyLR counts epochs, and the training iterations: the lr never '
            'changes; set by_epoch=False.',
        ),
        (
            {'type': 'CosineAnnealingLR', 'T_max': 50, 'end': 100},
            'param_scheduler[1].T_max: CosineAnnealingLR is made for 50 iterations, and runs for 100; set '
            'it to 100, or leave it out.',
        ),
        (
            {'type': 'CosineAnnealingLR', 'T_max': 101},
            'param_scheduler[1].end: CosineAnnealingLR ends at 101, and the training after 100 '
            'iterations, before its last value; set it to 100.',
        ),
        (
            {'type': 'CosineAnnealingLR', 'T_max': 50},
            'param_scheduler[1].end: CosineAnnealingLR ends at 50 of 100 iterations, and the lr is not '
            'scheduled from there on; set it to 100.',
        ),
        (
            {'type': 'OneCycleLR', 'eta_max': 1, 'total_steps': 80, 'end': 100},
            'param_scheduler[1].total_steps: OneCycleLR is made for 80 iterations, and runs for 100; set '
            'it to 100, or leave it out.',
        ),
        (
            {'type': 'LinearLR', 'end_factor': 0.1, 'end': 99},
            'param_scheduler[1].end: LinearLR ends at 99 of 100 iterations, and the lr keeps its last value '
            'from there on; set it to 100.',
        ),
        (
            {'type': 'LinearLR', 'begin': 100, 'end': 200},
            'param_scheduler[1].begin: LinearLR begins at 100, and the training ends after 100 '
            'iterations; begin it earlier.',
        ),
        (
            {'type': 'MultiStepLR', 'milestones': [60, 100, 300]},
            'param_scheduler[1].milestones: MultiStepLR has milestones at [100, 300], and the training '
            'ends after 100 iterations; set them earlier.',
        ),
        (
            {'type': 'StepLR', 'step_size': 100},
            'param_scheduler[1].step_size: StepLR steps every 100, and the training ends after 100 '
            'iterations; make it smaller.',
        ),
        (
            {'type': 'PolyMomentum', 'end': 60},
            'param_scheduler[1].end: PolyMomentum ends at 60 of 100 iterations, and the momentum keeps its '
            'last value from there on; set it to 100.',
        ),
    ],
)
def test_schedules_that_do_not_fit(cfg, said):
    [problem] = check_param_schedulers(schedulers(WARMUP, cfg), 100)
    assert str(problem) == said


def test_epochs_are_compared_with_epochs():
    each = schedulers({'type': 'PolyLR', 'end': 100, 'by_epoch': True})
    assert check_param_schedulers(each, 7000, 100) == []
    [problem] = check_param_schedulers(each, 7000, 120)
    assert 'PolyLR ends at 100 of 120 epochs' in str(problem)


@pytest.mark.parametrize('total', [40, 4000])
def test_parts_that_the_training_cuts_off(total):
    ramp = {'start': 20, 'length': 40}
    model = build(
        semi_cfg(
            unsup_loss={'type': 'ConsistencyLoss', 'ramp': ramp, 'loss_weight': 0.0},
            auxiliary_head=[contrast_cfg(ramp={'start': 40})],
        )
    )
    found = [str(problem) for problem in check_starts(model, total)]
    zero = 'model.unsup_loss.loss_weight: it is 0, so that the term has no effect'
    assert [text for text in found if text.startswith(zero)]
    if total == 4000:
        assert len(found) == 1
        return
    weight = math.exp(-5 * (1 - 20 / 40) ** 2)
    assert (
        f'model.unsup_loss.ramp.length: with start=20 and length=40 it reaches {weight:.2f} of'
        in found[0]
    )
    never = 'is not reached in 40 iterations, so that this part never begins'
    assert f'model.auxiliary_head.0.ramp.start: 40 {never}' in found[1]
    assert len(found) == 3, 'the teacher has copies of the heads, which are not told again'


def test_starts_of_the_memory_bank():
    cfg = memory_bank_cfg(auxiliary_head=[bank_contrast_cfg(bank_start=9)])
    cfg['mixing'] = {**cfg['mixing'], 'strong': {'class_mix': 0.5, 'class_mix_start': 8}}
    cfg['class_weights'] = {'type': 'MedianFrequencyWeights', 'start': 7}
    model = build(cfg)
    places = [
        'model.class_weights.start',
        'model.mixing.strong.class_mix_start',
        'model.auxiliary_head.0.bank_start',
    ]
    for total, late in ((10, 0), (9, 1), (8, 2), (7, 3)):
        found = {problem.place for problem in check_starts(model, total)}
        assert found == set(places[3 - late :])


def test_averages_that_hardly_move():
    slow = MeanTeacherHook(momentum=1e-4, early_average=0)
    [problem] = check_averages([slow], 3000)
    kept = (1 - 1e-4) ** 3000
    assert f'has {kept:.0%} of its first weights after 3000 updates' in str(problem)
    assert check_averages([slow], 10000) == [], '37 % are left'
    [problem] = check_averages(
        [MeanTeacherHook(momentum=1e-4, early_average=0, schedule='cosine')], 10000
    )
    assert 'still has 61% of' in str(problem)
    assert check_averages([MeanTeacherHook(1e-4), MeanTeacherHook(0)], 3000) == []
    [problem] = check_averages([EMAHook(begin_iter=3000)], 3000)
    assert str(problem).startswith('EMAHook.begin_iter: 3000 is not reached in 3000 iterations')


def test_a_rate_of_zero():
    parameter = torch.nn.Parameter(torch.zeros(1))
    for rate, said in ((0.0, ['optim_wrapper.optimizer.lr']), (0.1, [])):
        wrapper = OptimWrapper(torch.optim.SGD([parameter], lr=rate))
        assert [problem.place for problem in check_rates(wrapper)] == said
        both = SimpleNamespace(optim_wrappers={'head': wrapper})
        said = [place.replace('wrapper', 'wrapper.head') for place in said]
        assert [problem.place for problem in check_rates(both)] == said
    wrapper.optimizer.param_groups[0].update(lr=0.0, initial_lr=0.1)
    assert check_rates(wrapper) == [], 'a warm-up starts from 0'


def test_rates_of_parameters_that_the_model_does_not_have():
    model = torch.nn.ModuleDict(
        {'backbone': torch.nn.Linear(1, 1), 'frozen': torch.nn.Linear(1, 1)}
    )
    model['frozen'].requires_grad_(False)
    keys = {name: {'lr_mult': 0.1} for name in ('backbone', 'bone.w', 'bakbone', 'frozen')}
    found = check_custom_keys({'paramwise_cfg': {'custom_keys': keys}}, model)
    assert [str(problem) for problem in found] == [
        f'optim_wrapper.paramwise_cfg.custom_keys.{key}: no parameter that is trained has this in its '
        'name, so that it does nothing; correct it, or leave it out.'
        for key in ('bakbone', 'frozen')
    ]
    for none in (None, {}, {'paramwise_cfg': None}, {'paramwise_cfg': {'custom_keys': {}}}):
        assert check_custom_keys(none, model) == []


def test_validation_and_checkpoints():
    assert check_validation(10, 1, 10) == []
    [problem] = check_validation(1000, 1, 10)
    assert str(problem).startswith('train_cfg.val_interval: 1000 is longer than the training of 10')
    [problem] = check_validation(1000, 11, 10)
    assert str(problem).startswith('train_cfg.val_begin: 11 is beyond the end at 10')

    hook = CheckpointHook(interval=10, by_epoch=False)
    assert check_checkpoints([hook], 10) == check_checkpoints([CheckpointHook(3)], 10, 3) == []
    [problem] = check_checkpoints([hook], 9)
    assert 'CheckpointHook.interval: 10 is longer than the training of 9: the last' in str(problem)
    [problem] = check_checkpoints([CheckpointHook(10, by_epoch=False, save_last=False)], 9)
    assert 'no checkpoint is saved' in str(problem)
    [problem] = check_checkpoints([CheckpointHook(1)], 10)
    assert str(problem).startswith('CheckpointHook.by_epoch: it counts epochs, and the training')
