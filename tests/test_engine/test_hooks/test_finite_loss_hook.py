import pytest
import torch
from helpers import plain_cfg, runner_cfg, semi_cfg
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from mmengine.runner import Runner

from mmseg_contrast.problem import SetupError

TERMS = ('sup.decode.loss_ce', 'contrast.loss_contrast')


def make_runner(
    tmp_path, hook=None, interval=2, keep=1, lr=0.0, wrapper='OptimWrapper', model=None
):
    """A run whose losses are what a test says; nothing else of the model takes part."""
    hooks = [{'type': 'MeanTeacherHook'}, {'type': 'FiniteLossHook', **(hook or {})}]
    cfg = runner_cfg(tmp_path, model or semi_cfg(size=(16, 16)), max_iters=40, hooks=hooks)
    cfg['optim_wrapper'] = {'type': wrapper, 'optimizer': {'type': 'SGD', 'lr': lr}}
    cfg['default_hooks']['checkpoint'].update(interval=interval, max_keep_ckpts=keep)
    cfg['experiment_name'] = tmp_path.name
    return Runner.from_cfg(cfg)


def spoil(runner, spoilt):
    """Make terms NaN in some iterations (0-based): ``{iteration: names}``."""
    loss, calls = runner.model.loss, []

    def spoilt_loss(*args):
        losses = loss(*args)
        for name in spoilt.get(len(calls), ()):
            losses[name] = losses[name] * float('nan')
        calls.append(1)
        return losses

    runner.model.loss = spoilt_loss
    warnings = []
    runner.logger.warning = lambda message, *args: warnings.append(str(message))
    return warnings


def saved(tmp_path):
    return {p.name: torch.load(p, weights_only=False) for p in tmp_path.glob('iter_*.pth')}


def all_finite(checkpoint):
    state = checkpoint['state_dict'].values()
    return all(value.isfinite().all() for value in state if value.is_floating_point())


@pytest.mark.parametrize(
    ('terms', 'said'),
    [
        (TERMS[1:], r'contrast\.loss_contrast is nan since iteration 5; lower'),
        (TERMS, r'sup\.decode\.loss_ce \(and 1 more terms\) is nan since iteration 5; lower'),
    ],
)
def test_stops_in_the_step_and_names_the_term(tmp_path, terms, said):
    runner = make_runner(tmp_path)
    spoil(runner, {4: terms})
    with pytest.raises(SetupError, match=said) as caught:
        runner.train()
    assert runner.iter == 4
    assert str(caught.value).endswith(f'The last checkpoint before it: {tmp_path}/iter_4.pth.')
    assert list(saved(tmp_path)) == ['iter_4.pth']
    teacher = runner.model.teacher.state_dict().values()
    assert all(value.isfinite().all() for value in teacher), 'the teacher has not followed'


@pytest.mark.parametrize('interval', [1, 3])
def test_a_learning_rate_that_is_far_too_high_keeps_the_checkpoint_before(tmp_path, interval):
    runner = make_runner(tmp_path, interval=interval, lr=1e30)
    with pytest.raises(SetupError, match=r'(NaN or infinite|is (nan|inf|-inf)) (after|since) iter'):
        runner.train()
    assert runner.iter < 5
    assert all(map(all_finite, saved(tmp_path).values()))


def test_on_labels_alone(tmp_path):
    model = plain_cfg(
        size=(16, 16), data_preprocessor={'type': 'SegDataPreProcessor', 'size': (16, 16)}
    )
    hooks = [{'type': 'FiniteLossHook'}]
    cfg = runner_cfg(tmp_path, model, max_iters=10, hooks=hooks, experiment_name=tmp_path.name)
    cfg['train_dataloader']['dataset']['branches'] = False
    cfg['optim_wrapper']['optimizer']['lr'] = 1e30
    with pytest.raises(SetupError, match='lower the learning rate or clip the gradients'):
        Runner.from_cfg(cfg).train()


def test_may_go_on_with_one_warning(tmp_path):
    runner = make_runner(tmp_path, {'stop': False})
    warnings = spoil(runner, dict.fromkeys(range(4, 40), TERMS))
    runner.train()
    assert runner.iter == 40
    [warning] = [w for w in warnings if 'since iteration' in w]
    assert warning.startswith('sup.decode.loss_ce (and 1 more terms) is nan since iteration 5')


@OPTIM_WRAPPERS.register_module(force=True)
class SkippingOptimWrapper(OptimWrapper):
    """Leaves out a step that is not finite, as a loss scaler does."""

    loss_scaler = 'dynamic'

    def update_params(self, loss, *args, **kwargs):
        if loss.isfinite():
            super().update_params(loss, *args, **kwargs)


def test_a_loss_scaler_may_overflow_for_a_while(tmp_path):
    spoilt = dict.fromkeys((*range(3, 12), *range(13, 30)), TERMS[:1])
    runner = make_runner(tmp_path, wrapper='SkippingOptimWrapper')
    spoil(runner, spoilt)
    runner.train()
    assert runner.iter == 40

    runner = make_runner(tmp_path / 'long', wrapper='SkippingOptimWrapper')
    spoil(runner, {i: TERMS[i == 3 :] for i in range(3, 40)})
    said = r'contrast\.loss_contrast is nan since iteration 4'
    with pytest.raises(SetupError, match=said):
        runner.train()
    assert runner.iter == 3 + 30 - 1
    assert all(map(all_finite, saved(tmp_path / 'long').values()))
