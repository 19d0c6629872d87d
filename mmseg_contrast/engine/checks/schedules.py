"""Schedules that do not fit the length of the training.

Each check returns a list of :class:`Problem`, one for each key that does not fit. None of them stops a
run: a part that is cut off may be meant so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.hooks import CheckpointHook, EMAHook, Hook
from mmengine.optim import (
    ConstantParamScheduler,
    CosineAnnealingParamScheduler,
    LinearParamScheduler,
    MultiStepParamScheduler,
    OneCycleParamScheduler,
    PolyParamScheduler,
    StepParamScheduler,
)
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn

from ...models.schedules import Ramp, in_iterations
from ...problem import Problem
from ..hooks.mean_teacher_hook import MeanTeacherHook
from ..unwrap import unwrap

#: What MMEngine takes for the end where the config gives none.
NO_END = int(1e9)
#: Schedules that are made for a length.
BOUNDED = (
    ConstantParamScheduler,
    CosineAnnealingParamScheduler,
    LinearParamScheduler,
    OneCycleParamScheduler,
    PolyParamScheduler,
)
#: Share of its first weights above which a teacher has hardly moved.
KEPT = 0.5


def check_schedules(runner: Runner) -> list[Problem]:
    """Compare all schedules of a run with its length.

    Args:
        runner (Runner): The runner, with its model, schedulers and loops built.
    """
    total, model = runner.max_iters, unwrap(runner.model)
    epochs = runner.max_epochs if isinstance(runner.train_loop, EpochBasedTrainLoop) else None
    problems = check_param_schedulers(runner.param_schedulers, total, epochs)
    problems += check_rates(runner.optim_wrapper)
    problems += check_custom_keys(runner.cfg.get('optim_wrapper'), model)
    problems += check_starts(model, total)
    problems += check_averages(runner.hooks, total - getattr(model, 'burn_in', 0))
    interval = getattr(runner.train_loop, 'val_interval', None)
    if runner.val_loop is not None and interval:
        problems += check_validation(interval, runner.train_loop.val_begin, epochs or total)
    return problems + check_checkpoints(runner.hooks, total, epochs)


def check_param_schedulers(
    schedulers: Sequence[Any] | Mapping[str, Sequence[Any]] | None,
    max_iters: int,
    max_epochs: int | None = None,
) -> list[Problem]:
    """Compare the schedules of the optimiser with the length of the training.

    Args:
        schedulers (Sequence | Mapping, optional): MMEngine's schedulers, or those of each optimiser.
        max_iters (int): Iterations of the training.
        max_epochs (int, optional): Its epochs; None for a loop that counts iterations.
    """
    if isinstance(schedulers, Mapping):
        groups = [(f'param_scheduler.{name}', each) for name, each in schedulers.items()]
    else:
        groups = [('param_scheduler', schedulers or [])]
    problems = []
    for place, group in groups:
        last: dict[tuple, tuple] = {}
        for index, scheduler in enumerate(group):
            name = f'{place}[{index}]'
            total = max_epochs if scheduler.by_epoch else max_iters
            found = _check_scheduler(scheduler, name, total)
            problems += found
            if not found and _leaves_the_base_value(scheduler):
                key = scheduler.param_name, scheduler.by_epoch
                last[key] = max(last.get(key, (0,)), (_end(scheduler), name, scheduler))
        for (_, by_epoch), (end, name, scheduler) in last.items():
            total = max_epochs if by_epoch else max_iters
            if end < total:
                what = (
                    f'{type(scheduler).__name__} ends at {end} of {total} {_unit(by_epoch)}, and '
                )
                after = 'keeps its last value' if scheduler.end == end else 'is not scheduled'
                what += f'the {scheduler.param_name} {after} from there on'
                problems.append(Problem(f'{name}.end', what, f'set it to {total}'))
    return problems


def _check_scheduler(scheduler: Any, name: str, total: int | None) -> list[Problem]:
    begin, end, what = scheduler.begin, _end(scheduler), type(scheduler).__name__
    unit = _unit(scheduler.by_epoch)
    if total is None:
        what += (
            f' counts epochs, and the training iterations: the {scheduler.param_name} never changes'
        )
        return [Problem(f'{name}.by_epoch', what, 'set by_epoch=False')]
    if begin >= total:
        what += f' begins at {begin}, and the training ends after {total} {unit}'
        return [Problem(f'{name}.begin', what, 'begin it earlier')]
    if isinstance(scheduler, BOUNDED):
        if end == NO_END:
            what += f' has no end, so that the {scheduler.param_name} hardly changes'
            return [Problem(f'{name}.end', what, f'set it to {total}')]
        if end > total:
            what += f' ends at {end}, and the training after {total} {unit}, before its last value'
            return [Problem(f'{name}.end', what, f'set it to {total}')]
    for key in ('T_max', 'total_steps'):
        steps = getattr(scheduler, key, end - begin)
        if steps != end - begin:
            what += f' is made for {steps} {unit}, and runs for {end - begin}'
            return [Problem(f'{name}.{key}', what, f'set it to {end - begin}, or leave it out')]
    if isinstance(scheduler, MultiStepParamScheduler):
        late = [step for step in sorted(scheduler.milestones) if step >= total - begin]
        if late:
            what += f' has milestones at {late}, and the training ends after {total} {unit}'
            return [Problem(f'{name}.milestones', what, 'set them earlier')]
    if isinstance(scheduler, StepParamScheduler) and scheduler.step_size >= total - begin:
        what += f' steps every {scheduler.step_size}, and the training ends after {total} {unit}'
        return [Problem(f'{name}.step_size', what, 'make it smaller')]
    return []


def _end(scheduler: Any) -> int:
    # Without an end, the schedule is over after the steps that it is made for.
    steps = getattr(scheduler, 'T_max', getattr(scheduler, 'total_steps', None))
    return scheduler.begin + steps if scheduler.end == NO_END and steps else scheduler.end


def _leaves_the_base_value(scheduler: Any) -> bool:
    # After a warm-up the rate of the config is meant to stay.
    if isinstance(scheduler, LinearParamScheduler):
        return scheduler.end_factor != 1
    return isinstance(scheduler, BOUNDED) and not isinstance(scheduler, ConstantParamScheduler)


def _unit(by_epoch: bool) -> str:
    return 'epochs' if by_epoch else 'iterations'


def check_rates(optim_wrapper: Any) -> list[Problem]:
    """Look for an optimiser that changes nothing.

    Args:
        optim_wrapper (OptimWrapper): Of one optimiser, or a dict of several.
    """
    several = hasattr(optim_wrapper, 'optim_wrappers')
    wrappers = optim_wrapper.optim_wrappers if several else {'': optim_wrapper}
    problems = []
    for name, wrapper in wrappers.items():
        # A warm-up starts from 0.
        rates = [group.get('initial_lr', group['lr']) for group in wrapper.optimizer.param_groups]
        if not any(rates):
            place = f'optim_wrapper.{name}.optimizer.lr' if name else 'optim_wrapper.optimizer.lr'
            problems.append(Problem(place, 'it is 0, so that nothing is learnt', 'raise it'))
    return problems


def check_custom_keys(optim_wrapper: Any, model: nn.Module) -> list[Problem]:
    """Look for rates of parameters that the model does not have.

    Args:
        optim_wrapper (Mapping): Config of the optimiser's wrapper; anything else has no such rates.
        model (nn.Module): The segmentor.
    """
    if not isinstance(optim_wrapper, Mapping):
        return []
    keys = (optim_wrapper.get('paramwise_cfg') or {}).get('custom_keys') or {}
    names = [name for name, each in model.named_parameters() if each.requires_grad]
    # As in MMEngine, a key is any part of a name.
    return [
        Problem(
            f'optim_wrapper.paramwise_cfg.custom_keys.{key}',
            'no parameter that is trained has this in its name, so that it does nothing',
            'correct it, or leave it out',
        )
        for key in keys
        if not any(key in name for name in names)
    ]


def check_starts(model: nn.Module, total: int) -> list[Problem]:
    """Compare ramps and starts of the model's parts with the length of the training.

    Args:
        model (nn.Module): The segmentor.
        total (int): Iterations of the training.
    """
    problems = []
    for name, ramp in _ramps(model):
        start, length = in_iterations(ramp.start), in_iterations(ramp.length)
        if start < total < start + length:
            what = (
                f'with start={ramp.start} and length={ramp.length} it reaches {ramp(total):.2f} of '
            )
            what += f'the whole weight in {total} iterations'
            problems.append(
                Problem(f'{name}.length', what, 'shorten it, or give a share such as 0.1')
            )
    for name, start in _starts(model):
        if in_iterations(start) >= total > 0:
            what = f'{start} is not reached in {total} iterations, so that this part never begins'
            problems.append(Problem(name, what, 'start it earlier, or give a share such as 0.1'))
    for name, module in _own_modules(model):
        if getattr(module, 'loss_weight', None) == 0:
            what = 'it is 0, so that the term has no effect'
            problems.append(Problem(f'{name}.loss_weight', what, 'raise it, or leave the term out'))
    return problems


def _own_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules by their place in the config, but for the teacher's copies."""
    # One loss is given without a list.
    alone = len(getattr(model, 'unsup_loss', ())) == 1
    for name, module in model.named_modules():
        if name and name.split('.')[0] != 'teacher':
            if alone and name.startswith('unsup_loss.0'):
                name = name.replace('.0', '', 1)
            yield f'model.{name}', module


def _ramps(model: nn.Module) -> Iterator[tuple[str, Ramp]]:
    for name, module in _own_modules(model):
        if isinstance(getattr(module, 'ramp', None), Ramp):
            yield f'{name}.ramp', module.ramp


def _starts(model: nn.Module) -> Iterator[tuple[str, float]]:
    for name, ramp in _ramps(model):
        yield f'{name}.start', ramp.start
    for name, module in _own_modules(model):
        for part, holder in (('', module), ('.weak', None), ('.strong', None)):
            holder = holder or getattr(module, part[1:], None)
            for key in ('start', 'bank_start', 'class_mix_start'):
                value = getattr(holder, key, None)
                if isinstance(value, int | float):
                    yield f'{name}{part}.{key}', value


def check_averages(hooks: Sequence[Hook], updates: int) -> list[Problem]:
    """Look for averages of weights that hardly move.

    Args:
        hooks (Sequence[Hook]): The hooks of the run.
        updates (int): Iterations in which an average may be updated.
    """
    problems = []
    for hook in hooks:
        if isinstance(hook, MeanTeacherHook) and 0 < hook.momentum < 1 and not hook.early_average:
            # The cosine halves the mean momentum.
            mean = hook.momentum / 2 if hook.schedule == 'cosine' else hook.momentum
            kept = math.exp(updates * math.log1p(-mean))
            if kept > KEPT:
                what = (
                    f'with momentum={hook.momentum} the teacher still has {kept:.0%} of its first '
                )
                what += f'weights after {updates} updates'
                remedy = 'raise it, or set early_average=1'
                problems.append(Problem('MeanTeacherHook.momentum', what, remedy))
        if isinstance(hook, EMAHook) and hook.begin_iter >= updates:
            what = f'{hook.begin_iter} is not reached in {updates} iterations'
            problems.append(Problem('EMAHook.begin_iter', what, 'begin earlier'))
    return problems


def check_validation(interval: int, begin: int, total: int) -> list[Problem]:
    """Compare the times of validation with the length of the training.

    Args:
        interval (int): ``val_interval`` of the loop.
        begin (int): Its ``val_begin``.
        total (int): Length of the training in the loop's unit.
    """
    if begin > total:
        what = f'{begin} is beyond the end at {total}: there is no validation'
        return [Problem('train_cfg.val_begin', what, 'begin earlier')]
    if interval > total:
        what = (
            f'{interval} is longer than the training of {total}: it is validated at the end alone'
        )
        return [Problem('train_cfg.val_interval', what, f'set it to {total} or less')]
    return []


def check_checkpoints(
    hooks: Sequence[Hook], max_iters: int, max_epochs: int | None = None
) -> list[Problem]:
    """Compare the times of checkpoints with the length of the training.

    Args:
        hooks (Sequence[Hook]): The hooks of the run.
        max_iters (int): Iterations of the training.
        max_epochs (int, optional): Its epochs; None for a loop that counts iterations.
    """
    problems = []
    for hook in hooks:
        if not isinstance(hook, CheckpointHook):
            continue
        what = 'the last checkpoint is the only one' if hook.save_last else 'no checkpoint is saved'
        if hook.by_epoch and max_epochs is None:
            cause = 'it counts epochs, and the training iterations'
            problems.append(
                Problem('CheckpointHook.by_epoch', f'{cause}: {what}', 'set by_epoch=False')
            )
            continue
        total = max_epochs if hook.by_epoch else max_iters
        if hook.interval > total:
            cause = f'{hook.interval} is longer than the training of {total}'
            problems.append(
                Problem('CheckpointHook.interval', f'{cause}: {what}', f'set it to {total} or less')
            )
    return problems
