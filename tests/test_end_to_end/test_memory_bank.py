"""The class-wise memory bank trained by MMSeg's own train.py: one domain and two, resumed."""

import shutil

import pytest
import torch

MAX_ITERS = 8
BANK = 'auxiliary_head.0.bank'


def test_the_bank_fills_step_by_step(memory_bank):
    states = {i: memory_bank.checkpoint('full', i)['state_dict'] for i in (2, 3, 5, MAX_ITERS)}
    counts = {i: int(state[f'{BANK}.count'].sum()) for i, state in states.items()}
    assert counts[2] == 0 < counts[3] < counts[5] < counts[MAX_ITERS]
    assert int(states[MAX_ITERS][f'{BANK}.updates']) == MAX_ITERS - 2
    assert states[MAX_ITERS][f'{BANK}.count'].max() < 256, 'still filling'
    assert not torch.equal(*(states[i]['class_weights.counts'] for i in (3, 5)))

    log = [line for line in memory_bank.log('full') if 'loss' in line]
    contrast = [line['contrast.loss_contrast'] for line in log]
    assert contrast[:4] == [0, 0, 0, 0] and min(contrast[4:]) > 0
    pseudo = [line['unsup.loss_consistency'] for line in log]
    assert pseudo[:4] == [0, 0, 0, 0] and min(pseudo[4:]) > 0
    assert min(line['unsup.loss_entropy'] for line in log) > 0
    assert log[-1]['bank.fill'] == pytest.approx(counts[MAX_ITERS] / (9 * 256), rel=1e-3)


@pytest.mark.parametrize('iteration', [3, 5])
def test_resumed_in_mid_filling_is_uninterrupted(memory_bank, iteration):
    name = f'resumed_{iteration}'
    work_dir = memory_bank.work_dirs / name
    work_dir.mkdir()
    left = work_dir / f'iter_{iteration}.pth'
    shutil.copy(memory_bank.work_dirs / 'full' / left.name, left)
    (work_dir / 'last_checkpoint').write_text(str(left))
    memory_bank.ours('train.py', memory_bank.config, '--work-dir', work_dir, '--resume')
    memory_bank.assert_same_end('full', name)


def test_a_second_labelled_domain_trains_and_stays_out_of_the_bank(memory_bank):
    work_dir = memory_bank.work_dirs / 'two_domains'
    options = ['train_cfg.val_interval=100', 'model.auxiliary_head.0.confidence=None']
    memory_bank.ours(
        'train.py',
        memory_bank.root / 'two_domains.py',
        '--work-dir',
        work_dir,
        '--cfg-options',
        *options,
    )
    state = memory_bank.checkpoint('two_domains')['state_dict']
    lines = [line for line in memory_bank.log('two_domains') if 'loss' in line]
    assert len(lines) == MAX_ITERS and lines[-1]['contrast.loss_contrast'] > 0
    # two target images a step, one row a class and image
    updates = MAX_ITERS - 2
    assert 0 < state[f'{BANK}.count'].max() <= 2 * updates
    assert (state[f'{BANK}.count'] > 0).sum() > 1, 'the second domain has one class alone'


def test_the_teacher_of_a_run_is_a_plain_checkpoint(memory_bank):
    checkpoint = memory_bank.work_dirs / 'full' / f'iter_{MAX_ITERS}.pth'
    out = memory_bank.root / 'teacher.pth'
    tool = 'model_converters/extract_branch.py'
    memory_bank.ours(tool, checkpoint, out, '--branch', 'teacher')
    keys = torch.load(out, weights_only=False)['state_dict'].keys()
    assert keys and not any('auxiliary' in key or 'bank' in key for key in keys)
