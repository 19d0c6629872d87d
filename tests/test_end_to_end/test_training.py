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


def test_compiled_step_is_the_same(project):
    """TorchDynamo traces the whole step; what a backend makes of it is not ours."""
    options = [*SHORT, 'train_cfg.max_iters=2', 'default_hooks.checkpoint.interval=2']
    options += ['model.semi_train_cfg.burn_in=1', 'model.unsup_loss.ramp.start=0']
    try:
        for name, backend in {'plain': [], 'compiled': ['compile.backend=eager']}.items():
            command = [project.config, '--work-dir', project.work_dirs / name, '--cfg-options']
            project.mmseg('train.py', *command, *options, *backend)
        assert torch._dynamo.utils.counters['frames']['ok'] > 0
    finally:
        torch.compiler.reset()
    plain, compiled = (project.checkpoint(name, 2) for name in ('plain', 'compiled'))
    for key, value in plain['state_dict'].items():
        torch.testing.assert_close(compiled['state_dict'][key], value, rtol=1e-3, atol=1e-4)
    logs = [
        [line for line in project.log(name) if 'loss' in line] for name in ('plain', 'compiled')
    ]
    assert logs[0][-1]['unsup.loss_consistency'] > 0
    for one, other in zip(*logs, strict=True):
        for key in one.keys() - {'time', 'data_time'}:
            assert other[key] == pytest.approx(one[key], rel=1e-4, abs=1e-5), key
