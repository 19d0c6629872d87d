import logging
from types import SimpleNamespace

import pytest
import torch
from helpers import (
    bank_contrast_cfg,
    contrast_cfg,
    memory_bank_cfg,
    runner_cfg,
    semi_cfg,
    validation_cfg,
)
from mmengine.runner import Runner

from mmseg_contrast.engine.hooks import SemiDiagnosticsHook
from mmseg_contrast.problem import SetupError

SIZE = (16, 16)


def train(tmp_path, model, max_iters, **hook):
    cfg = runner_cfg(
        tmp_path,
        model,
        max_iters=max_iters,
        hooks=[{'type': 'MeanTeacherHook'}, {'type': 'SemiDiagnosticsHook', **hook}],
        experiment_name=f'{tmp_path.name}',
    )
    runner = Runner.from_cfg(cfg)
    scalars, warnings = [], []
    runner.visualizer.add_scalars = lambda values, step=0, **_: scalars.append((step, values))
    runner.logger.warning = lambda message, *args: warnings.append(str(message))
    runner.train()
    return runner, scalars, [w for w in warnings if 'has been 0' in w]


def test_overall_numbers_are_logged_and_those_of_classes_plotted(tmp_path):
    runner, scalars, _ = train(tmp_path, semi_cfg(size=SIZE), 4, interval=2)
    hub = runner.message_hub.log_scalars
    for name in (
        'unsup.coverage',
        'unsup.consistency_raw',
        'unsup.consistency_ramp',
        'contrast.raw',
        'contrast.ramp',
        'contrast.anchors',
        'contrast.positives',
        'contrast.negatives',
    ):
        assert len(hub[f'train/{name}'].data[0]) == 2, name
    assert 0 < hub['train/unsup.coverage'].current() <= 1
    assert hub['train/contrast.anchors'].current() > 1
    assert not any('per_class' in name for name in hub)

    assert [step for step, values in scalars if 'unsup.threshold/a' in values] == [2, 4]
    values = next(values for step, values in reversed(scalars) if 'unsup.threshold/a' in values)
    names = ('unsup.threshold', 'unsup.coverage_per_class', 'unsup.share', 'sup.share')
    # But those of a class that the teacher has not predicted: there is no share of it to keep.
    absent = {f'unsup.coverage_per_class/{c}' for c in 'abc' if values[f'unsup.share/{c}'] == 0}
    assert set(values) == {f'{name}/{c}' for name in names for c in 'abc'} - absent
    for name in ('unsup.share', 'sup.share'):
        assert sum(values[f'{name}/{c}'] for c in 'abc') == pytest.approx(1)
    # The mean of the thresholds of iterations 3 and 4: the last one is the buffer itself.
    assert values['unsup.threshold/b'] == pytest.approx(
        float(runner.model.selector.thresholds[1]), abs=0.1
    )


def test_means_are_those_of_the_interval(tmp_path):
    model = semi_cfg(
        size=SIZE, unsup_loss={'type': 'ConsistencyLoss', 'ramp': {'start': 2, 'length': 0}}
    )
    runner, *_ = train(tmp_path, model, 4, interval=4)
    ramp = runner.message_hub.get_scalar('train/unsup.consistency_ramp').current()
    assert ramp == pytest.approx(0.5), 'iterations 0 to 3, with a weight from 2 on'


def test_a_term_that_stays_zero_is_explained_once(tmp_path):
    model = semi_cfg(size=SIZE, selector={'type': 'ThresholdMask', 'threshold': 1.0})
    _, _, warnings = train(tmp_path, model, 10, interval=2, patience=3)
    assert len(warnings) == 1
    assert 'unsup.coverage has been 0 for 6 iterations' in warnings[0]
    assert 'threshold is too high' in warnings[0]


@pytest.mark.parametrize(
    ('head', 'name'),
    [
        (contrast_cfg(exclude_classes=(0, 1, 2)), 'anchors'),
        (contrast_cfg(exclude_classes=(1, 2)), 'negatives'),
    ],
)
def test_each_count_has_its_reason(tmp_path, head, name):
    _, _, warnings = train(
        tmp_path, semi_cfg(size=SIZE, auxiliary_head=[head]), 3, interval=1, patience=3
    )
    assert any(w.startswith(f'contrast.{name} has been 0 for 3') for w in warnings)


def test_a_model_without_statistics_is_named():
    runner = SimpleNamespace(model=torch.nn.Identity())
    with pytest.raises(SetupError, match='statistics that a Identity does not keep'):
        SemiDiagnosticsHook().before_train(runner)


def test_a_healthy_run_has_no_warning(tmp_path):
    _, _, warnings = train(tmp_path, semi_cfg(size=SIZE), 5, interval=1, patience=2)
    assert warnings == []


def drift_warnings(intervals, ramps=()):
    """Give the hook the shares of one interval after another: of the masks, of the teacher."""
    hook = SemiDiagnosticsHook(interval=1)
    hook.classes = ['a', 'b', 'c']
    warnings = []
    runner = SimpleNamespace(
        iter=0,
        logger=SimpleNamespace(warning=warnings.append),
        visualizer=SimpleNamespace(add_scalars=lambda *_, **__: None),
        message_hub=SimpleNamespace(update_scalar=lambda *_: None),
    )
    for (masks, teacher), ramp in zip(intervals, ramps or [1.0] * len(intervals)):
        stats = {'sup.share_per_class': masks, 'unsup.share_per_class': teacher}
        if ramp is not None:
            stats['unsup.consistency_ramp'] = ramp
        hook.model = SimpleNamespace(running_stats=SimpleNamespace(pop=lambda stats=stats: stats))
        hook.after_train_iter(runner, 0)
        runner.iter += 1
    return warnings


@pytest.mark.parametrize(
    ('masks', 'teacher', 'named'),
    [
        ([0.90, 0.05, 0.05], [0.85, 0.10, 0.05], ['b']),
        ([0.90, 0.05, 0.05], [0.86, 0.09, 0.05], []),
        ([0.90, 0.05, 0.05], [0.93, 0.06, 0.01], ['c']),
        # too rare to tell
        ([0.99, 0.006, 0.004], [0.984, 0.015, 0.001], []),
    ],
)
def test_a_class_that_takes_over_or_vanishes_is_named_once(masks, teacher, named):
    warnings = drift_warnings([(masks, teacher)] * 25)
    assert [w.split("'")[1] for w in warnings] == named
    for name, warning in zip(named, warnings):
        share = teacher['abc'.index(name)]
        assert f'{share:.1%} of what the teacher sees' in warning
        assert 'for 10 iterations' in warning


def test_a_passing_drift_is_none():
    still, drift = ([0.9, 0.1, 0.0], [0.9, 0.1, 0.0]), ([0.9, 0.1, 0.0], [0.7, 0.3, 0.0])
    assert drift_warnings(([drift] * 9 + [still]) * 3) == []


@pytest.mark.parametrize('silent', [0.0, None])
def test_a_teacher_that_does_not_teach_may_be_wrong(silent):
    shares = [([0.90, 0.05, 0.05], [0.70, 0.30, 0.0])] * 35
    assert drift_warnings(shares, [silent] * 26 + [0.1] * 9) == []
    assert len(drift_warnings(shares, [silent] * 25 + [0.1] * 10)) == 2


def test_the_hook_writes_before_the_log_line(tmp_path):
    cfg = runner_cfg(
        tmp_path,
        semi_cfg(size=SIZE),
        max_iters=2,
        hooks=[{'type': 'MeanTeacherHook'}, {'type': 'SemiDiagnosticsHook', 'interval': 2}],
        experiment_name='line',
    )
    cfg['default_hooks']['logger']['interval'] = 2
    runner = Runner.from_cfg(cfg)
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    runner.logger.addHandler(handler)
    runner.logger.setLevel(logging.INFO)
    runner.train()
    assert any('unsup.coverage' in line and 'loss' in line for line in lines)
    assert torch.isfinite(torch.tensor(runner.message_hub.get_scalar('train/loss').current()))


def test_no_scalar_is_the_parent_of_another(tmp_path):
    """As some backends store `a/b` in a folder `a`."""
    bank = bank_contrast_cfg(bank_start=0, confidence=None)
    model = memory_bank_cfg(size=SIZE, auxiliary_head=[bank])
    model['selector'] = {'type': 'AELMask'}
    model['class_weights']['sizes'] = (4, 4)
    hooks = [{'type': f'{name}Hook'} for name in ('MeanTeacher', 'MemoryBank', 'SemiDiagnostics')]
    hooks = [hooks[0], *({**hook, 'interval': 2} for hook in hooks[1:])]
    cfg = runner_cfg(tmp_path, model, hooks=hooks, experiment_name='keys')
    runner = Runner.from_cfg({**cfg, **validation_cfg(2, 4)})
    logged = set()
    runner.visualizer.add_scalars = lambda values, **_: logged.update(values)
    runner.train()
    logged |= {name.split('/', 1)[1] for name in runner.message_hub.log_scalars}
    for name in ('unsup.coverage', 'unsup.coverage_per_class/a', 'unsup.share/a', 'bank/fill/a'):
        assert name in logged
    assert {'student/mIoU', 'teacher/mIoU', 'bank.fill', 'loss'} <= logged
    parents = {
        '/'.join(parts[:n])
        for parts in (x.split('/') for x in logged)
        for n in range(1, len(parts))
    }
    assert not parents & logged
