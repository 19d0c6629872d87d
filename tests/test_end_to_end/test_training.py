"""Other ways to take a training step: accumulated gradients, compiled code."""

import pytest
import torch

SHORT = ['train_cfg.val_interval=100', 'default_hooks.logger.interval=1']


def test_accumulated_gradients_update_the_teacher_once_per_step(project):
    """6 iterations, 2 for each optimiser step, of which the first is the burn-in's."""
    options = [*SHORT, 'train_cfg.max_iters=6', 'optim_wrapper.accumulative_counts=2']
    work_dir = project.work_dirs / 'accumulated'
    project.ours('train.py', project.config, '--work-dir', work_dir, '--cfg-options', *options)
    runs = {done: project.checkpoint('accumulated', done) for done in (2, 3, 4, 6)}
    state = {done: run['state_dict'] for done, run in runs.items()}
    assert {done: int(each['ema_steps']) for done, each in state.items()} == {
        2: 0, 3: 0, 4: 1, 6: 2,
    }  # fmt: skip
    steps = {float(each['step']) for each in runs[6]['optimizer']['state'].values()}
    assert steps == {3.0}

    name = 'decode_head.conv_seg.weight'
    student = {done: each[name] for done, each in state.items()}
    teacher = {done: each[f'teacher.{name}'] for done, each in state.items()}
    assert torch.equal(teacher[2], student[2])
    assert torch.equal(teacher[3], teacher[2])
    assert torch.equal(student[3], student[2])
    # the first updates average evenly
    torch.testing.assert_close(teacher[4], (teacher[2] + student[4]) / 2)
    torch.testing.assert_close(teacher[6], (2 * teacher[4] + student[6]) / 3)


def test_compiled_step_has_the_same_losses(trained):
    options = [*SHORT, 'train_cfg.max_iters=4', 'param_scheduler.0.end=8']
    options += ['default_hooks.checkpoint.interval=100', 'compile.backend=aot_eager']
    work_dir = trained.work_dirs / 'compiled'
    try:
        trained.mmseg('train.py', trained.config, '--work-dir', work_dir, '--cfg-options', *options)
    finally:
        torch.compiler.reset()
    plain, compiled = (
        [line for line in trained.log(name) if 'loss' in line][:4] for name in ('full', 'compiled')
    )
    for one, other in zip(plain, compiled, strict=True):
        for key in one.keys() - {'time', 'data_time'}:
            assert other[key] == pytest.approx(one[key], rel=1e-3, abs=1e-4), key
