import math

import pytest
import torch
from helpers import plain_cfg, runner_cfg, semi_cfg, validation_cfg
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmseg_contrast.engine.hooks import MeanTeacherHook
from mmseg_contrast.problem import SetupError

SIZE = (16, 16)


def snapshot(module):
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


@HOOKS.register_module(force=True)
class Recorder(Hook):
    """Keeps the branches' states after the teacher's update, and those at validation."""

    priority = 'LOW'

    def __init__(self):
        self.rows, self.validated = [], []

    def before_train(self, runner):
        self.rows.append(self.both(runner))

    def after_train_iter(self, runner, **_):
        self.rows.append(self.both(runner))

    def after_val_epoch(self, runner, metrics=None):
        self.validated.append((runner.iter, *self.both(runner)))

    @staticmethod
    def both(runner):
        teacher = snapshot(runner.model.teacher)
        state = runner.model.state_dict()
        return {name: state[name].clone() for name in teacher}, teacher


def train(work_dir, model=None, hook=None, resume=False, load_from=None, **kwargs):
    hooks = [{'type': 'MeanTeacherHook', **(hook or {})}, {'type': 'Recorder'}]
    cfg = runner_cfg(
        work_dir,
        model or semi_cfg(size=SIZE),
        hooks=hooks,
        resume=resume,
        load_from=load_from,
        **kwargs,
    )
    cfg['experiment_name'] = f'{work_dir.name}-{torch.rand(()).item()}'
    runner = Runner.from_cfg(cfg)
    runner.train()
    recorder = next(h for h in runner.hooks if isinstance(h, Recorder))
    return runner, recorder


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in b)


def assert_follows(rows, momenta):
    """The teacher after each iteration is recomputed by name; None means no update."""
    assert len(rows) == len(momenta) + 1
    for (_, before), (student, after), momentum in zip(rows, rows[1:], momenta):
        for name, value in after.items():
            expected = before[name]
            if momentum is not None:
                expected = student[name]
                if value.is_floating_point():
                    expected = (1 - momentum) * before[name] + momentum * student[name]
            torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6, msg=name)


@pytest.mark.parametrize(
    ('hook', 'expected'),
    [
        ({'momentum': 0.2, 'early_average': 0}, lambda k: 0.2),
        # The paper's min(1 - 1 / (k + 1), alpha) for the teacher's share.
        ({'momentum': 0.2}, lambda k: 1 - min(1 - 1 / (k + 1), 0.8)),
        (
            {'momentum': 0.2, 'schedule': 'cosine', 'early_average': 0},
            lambda k: 0.2 * (1 + math.cos(math.pi * k / 6)) / 2,
        ),
    ],
    ids=['constant', 'early average', 'cosine'],
)
def test_teacher_is_the_average_of_the_students(tmp_path, hook, expected):
    runner, recorder = train(tmp_path, hook=hook, max_iters=6)
    student, teacher = recorder.rows[0]
    assert same(student, teacher), 'the teacher starts as the student'
    assert_follows(recorder.rows, [expected(k) for k in range(1, 7)])
    student, teacher = recorder.rows[-1]
    assert not same(student, teacher)
    assert int(runner.model.ema_steps) == 6
    assert int(teacher['backbone.stage1.1.num_batches_tracked']) == 6
    assert not torch.equal(*(row[1]['decode_head.conv_seg.weight'] for row in recorder.rows[:2]))


def test_momentum_at_in_closed_form():
    hook = MeanTeacherHook(0.01)
    assert [hook.momentum_at(k, 1000) for k in (1, 2, 9)] == [1 / 2, 1 / 3, 1 / 10]
    assert hook.momentum_at(99, 1000) == pytest.approx(0.01)
    assert hook.momentum_at(500, 1000) == 0.01
    four = MeanTeacherHook(0.01, early_average=4)
    assert [four.momentum_at(k, 1000) for k in (1, 2, 25)] == [1 / 5, 1 / 9, 0.01]
    with pytest.raises(ValueError, match='early_average=-1'):
        MeanTeacherHook(early_average=-1)
    cosine = MeanTeacherHook(0.01, 'cosine', early_average=0)
    assert [cosine.momentum_at(k, 100) for k in (0, 50, 100, 120)] == pytest.approx(
        [0.01, 0.005, 0, 0]
    )


def test_burn_in_then_copy_then_average(tmp_path):
    model = semi_cfg(size=SIZE, semi_train_cfg={'burn_in': 3})
    runner, recorder = train(tmp_path, model, {'momentum': 0.2}, max_iters=6)
    assert_follows(recorder.rows, [None, None, 1.0, 1 / 2, 1 / 3, 1 / 4])
    assert not same(*recorder.rows[2]), 'no copy before the end of the burn-in'
    assert same(*recorder.rows[3])
    assert int(runner.model.ema_steps) == 3


def test_during_the_burn_in_validation_and_checkpoints_show_the_student(tmp_path):
    model = semi_cfg(size=SIZE, semi_train_cfg={'burn_in': 4})
    kwargs = validation_cfg(2, 6)
    checkpoint = {'type': 'CheckpointHook', 'interval': 1, 'by_epoch': False}
    _, recorder = train(
        tmp_path,
        model,
        {'momentum': 0.2},
        default_hooks={'checkpoint': checkpoint},
        **kwargs,
    )
    assert [(i, same(student, teacher)) for i, student, teacher in recorder.validated] == [
        (2, True),
        (4, True),
        (6, False),
    ]
    for i in range(1, 7):
        state = torch.load(tmp_path / f'iter_{i}.pth', weights_only=False)['state_dict']
        teacher = {k[8:]: v for k, v in state.items() if k.startswith('teacher.')}
        assert same(state, teacher) is (i <= 4), i
        assert same(state, recorder.rows[i][0]), 'the student is what it was'


def test_gradient_accumulation_counts_optimiser_steps(tmp_path):
    runner, recorder = train(tmp_path, hook={'momentum': 0.2}, max_iters=6, accumulative_counts=2)
    assert_follows(recorder.rows, [None, 1 / 2, None, 1 / 3, None, 1 / 4])
    assert int(runner.model.ema_steps) == 3


def test_a_loaded_teacher_is_kept_and_a_plain_checkpoint_copied(tmp_path):
    source, _ = train(tmp_path / 'source', hook={'momentum': 0.2}, max_iters=3)
    path = tmp_path / 'semi.pth'
    torch.save({'state_dict': source.model.state_dict()}, path)
    teacher = snapshot(source.model.teacher)
    _, recorder = train(tmp_path / 'tuned', max_iters=1, load_from=str(path))
    assert same(recorder.rows[0][1], teacher)
    assert not same(*recorder.rows[0])

    plain = {k: v for k, v in source.model.state_dict().items() if not k.startswith('teacher.')}
    torch.save({'state_dict': plain}, path)
    _, recorder = train(tmp_path / 'plain', max_iters=1, load_from=str(path))
    student, started = recorder.rows[0]
    assert same(student, started)
    assert torch.equal(student['decode_head.conv_seg.weight'], plain['decode_head.conv_seg.weight'])


def test_a_new_run_from_a_checkpoint_counts_anew(tmp_path):
    source, _ = train(tmp_path / 'source', hook={'momentum': 0.2}, max_iters=4)
    path = tmp_path / 'semi.pth'
    torch.save({'state_dict': source.model.state_dict()}, path)
    hook = {'momentum': 0.2, 'schedule': 'cosine', 'early_average': 0}
    runner, recorder = train(tmp_path / 'tuned', hook=hook, max_iters=4, load_from=str(path))
    assert int(runner.model.ema_steps) == 4
    momenta = [0.2 * (1 + math.cos(math.pi * k / 4)) / 2 for k in (1, 2, 3, 4)]
    assert momenta[0] > 0.1
    assert_follows(recorder.rows, momenta)


def test_resume_continues_the_count(tmp_path):
    straight, reference = train(tmp_path / 'a', hook={'momentum': 0.05}, max_iters=6)
    train(tmp_path / 'b', hook={'momentum': 0.05}, max_iters=3)
    runner, recorder = train(tmp_path / 'b', hook={'momentum': 0.05}, max_iters=6, resume=True)
    assert runner.iter == 6
    assert_follows(recorder.rows, [1 / 5, 1 / 6, 1 / 7])
    assert int(runner.model.ema_steps) == int(straight.model.ema_steps) == 6
    assert len(reference.rows) == 7


def test_a_frozen_teacher_is_the_student_at_the_end_of_the_burn_in(tmp_path):
    model = semi_cfg(size=SIZE, semi_train_cfg={'burn_in': 3})
    _, recorder = train(tmp_path, model, {'momentum': 0}, max_iters=6)
    assert same(*recorder.rows[3])
    for _, teacher in recorder.rows[4:]:
        assert same(recorder.rows[3][1], teacher)
    assert not same(*recorder.rows[6])


def test_a_frozen_teacher_that_nothing_taught_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r'momentum=0.*load_from'):
        train(tmp_path, hook={'momentum': 0}, max_iters=1)
    path = tmp_path / 'plain.pth'
    source, _ = train(tmp_path / 'source', max_iters=1)
    torch.save({'state_dict': source.model.state_dict()}, path)
    teacher = snapshot(source.model.teacher)
    _, recorder = train(tmp_path / 'next', hook={'momentum': 0}, max_iters=2, load_from=str(path))
    assert all(same(row[1], teacher) for row in recorder.rows)


@pytest.mark.parametrize('momentum', [-0.1, 1.2])
def test_momentum_out_of_range_is_named(momentum):
    with pytest.raises(ValueError, match=f'momentum={momentum}'):
        MeanTeacherHook(momentum)


def test_a_papers_alpha_gets_a_warning():
    with pytest.warns(UserWarning, match=r'momentum=0.99.*0.01'):
        MeanTeacherHook(0.99)


def test_unknown_schedule_is_named():
    with pytest.raises(ValueError, match="schedule='linear'"):
        MeanTeacherHook(schedule='linear')


def test_a_plain_segmentor_is_refused(tmp_path):
    with pytest.raises(SetupError, match=r'MeanTeacherHook.*EncoderDecoder'):
        runner = Runner.from_cfg(
            runner_cfg(
                tmp_path,
                plain_cfg(size=SIZE),
                hooks=[{'type': 'MeanTeacherHook'}],
                experiment_name='plain',
            )
        )
        runner.train()


def test_momentum_of_one_makes_the_teacher_the_student(tmp_path, recwarn):
    runner, _ = train(tmp_path, hook={'momentum': 1.0}, max_iters=3)
    assert not [w for w in recwarn if 'did you mean' in str(w.message)]
    student = runner.model.state_dict()
    for name, value in runner.model.teacher.state_dict().items():
        assert torch.equal(value, student[name]), name


@pytest.mark.parametrize('present', [(), ('CheckSetupHook', 'StepSeedHook', 'FiniteLossHook')])
def test_hooks_that_a_list_left_out_are_named(tmp_path, present):
    hooks = [{'type': name} for name in ('MeanTeacherHook', *present) if name != 'CheckSetupHook']
    runner = Runner.from_cfg(runner_cfg(tmp_path, semi_cfg(size=SIZE), 1, hooks=hooks))
    if present:
        # It would refuse the tiny data set; its name is enough.
        runner._hooks.append(type('CheckSetupHook', (Hook,), {})())
    warnings = []
    runner.logger.warning = lambda message, *args: warnings.append(str(message))
    runner.train()
    named = [w for w in warnings if w.startswith('the run has no')]
    assert len(named) == (not present)
    if named:
        assert all(
            hook in named[0] for hook in ('CheckSetupHook', 'StepSeedHook', 'FiniteLossHook')
        )
        assert 'default_runtime.py' in named[0]
