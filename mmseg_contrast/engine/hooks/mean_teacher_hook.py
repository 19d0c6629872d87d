"""Keeps the teacher an exponential moving average of the student."""

from __future__ import annotations

import math
import warnings
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...arguments import one_of
from ...models.segmentors import SemiSupervisedSegmentor
from ...problem import SetupError
from ..unwrap import unwrap

SCHEDULES = ('constant', 'cosine')
#: What a run lacks without these hooks of `configs/_base_/default_runtime.py`.
RECOMMENDED = {
    'CheckSetupHook': 'data, model and schedules are not checked',
    'StepSeedHook': 'a resumed run draws other random numbers',
    'FiniteLossHook': 'a loss that is NaN does not stop the run',
}


def unwrap_segmentor(runner: Runner, owner: str) -> SemiSupervisedSegmentor:
    """Return the runner's segmentor without wrappers.

    Args:
        runner (Runner): The runner.
        owner (str): Who asks, for the error.

    Raises:
        SetupError: If it is no :class:`SemiSupervisedSegmentor`.
    """
    model = unwrap(runner.model)
    if not isinstance(model, SemiSupervisedSegmentor):
        raise SetupError(
            f'{owner} needs a SemiSupervisedSegmentor, the model is a {type(model).__name__}: set '
            "model.type='SemiSupervisedSegmentor' or remove the hook."
        )
    return model


@HOOKS.register_module()
class MeanTeacherHook(Hook):
    r"""Updates the teacher after each optimiser step.

    .. math:: \theta_T \leftarrow (1 - m_k) \theta_T + m_k \theta_S

    with MMEngine's convention of the momentum (the papers' :math:`\alpha` is :math:`1 - m`) and k
    counted in optimiser steps since the burn-in, so that gradient accumulation changes nothing. When the
    burn-in ends, the teacher becomes a copy of the student; until then it is one at each validation
    and in each checkpoint. Without a burn-in, a teacher that was loaded is kept.

    Args:
        momentum (float): Share of the student in each update, in [0, 1]; 0.01 is :math:`\alpha` 0.99,
            1 makes the teacher the student itself, in eval mode (FixMatch), and 0 keeps the teacher
            that the burn-in or a checkpoint made (trained on labels alone).
        schedule (str): ``'constant'``, or ``'cosine'``: m falls to 0 at the end of training,
            :math:`m_k = m (1 + \cos(\pi k / K)) / 2`.
        early_average (int): a in :math:`m_k \ge 1 / (a k + 1)`: 1 averages the first steps evenly, more
            gives the later ones less weight (C3-SemiSeg's published code, where a is the number of GPUs;
            10 in that of Alonso et al.); 0 leaves the momentum as it is.

    Raises:
        ValueError: If the momentum is out of range or the schedule unknown.
    """

    priority = 'NORMAL'

    def __init__(
        self, momentum: float = 0.01, schedule: str = 'constant', early_average: int = 1
    ) -> None:
        if not 0 <= momentum <= 1:
            raise ValueError(
                f'MeanTeacherHook(momentum={momentum}) is the share of the student in each update: '
                "use [0, 1]; a paper's alpha of 0.99 is momentum=0.01."
            )
        if 0.5 < momentum < 1:
            warnings.warn(
                f'MeanTeacherHook(momentum={momentum}) makes the teacher follow the student almost at '
                f"once; did you mean {1 - momentum:.4g} (a paper's alpha is 1 - momentum)?",
                stacklevel=2,
            )
        if early_average < 0:
            raise ValueError(
                f'MeanTeacherHook(early_average={early_average}) counts updates: use 0, 1 or more.'
            )
        one_of(self, SCHEDULES, schedule=schedule)
        self.momentum = momentum
        self.schedule = schedule
        self.early_average = early_average
        self.steps = 0

    def momentum_at(self, step: int, total: int) -> float:
        """Return the momentum of an update.

        Args:
            step (int): Number of the update since the burn-in, from 1.
            total (int): Number of updates in the whole training.
        """
        momentum = self.momentum
        if self.schedule == 'cosine':
            momentum *= (1 + math.cos(math.pi * min(step / total, 1.0))) / 2
        if not self.early_average:
            return momentum
        return max(momentum, 1 / (self.early_average * step + 1))

    def before_train(self, runner: Runner) -> None:
        """Pair the branches by name; copy the student unless a teacher was loaded."""
        self.model = unwrap_segmentor(runner, type(self).__name__)
        self.model.hook.announce(runner.hooks)
        untaught = self.model.burn_in == 0 and not runner._has_loaded
        if self.momentum == 0 and untaught:
            raise SetupError(
                'MeanTeacherHook(momentum=0) keeps the teacher as it starts, which is untrained: give '
                'load_from a checkpoint, or semi_train_cfg.burn_in iterations on labels alone.'
            )
        _warn_of_missing_hooks(runner)
        self.ema = self.model.teacher_ema()
        if not self.model.teacher_loaded:
            self.ema.copy()
        if not runner._resume:
            # A run that only starts from a checkpoint has its own burn-in and its own schedule.
            self.model.ema_steps.zero_()
        self.steps = int(self.model.ema_steps)
        self.interval = getattr(runner.optim_wrapper, '_accumulative_counts', 1)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Update the teacher if this iteration made an optimiser step."""
        done = runner.iter + 1
        if done <= self.model.burn_in:
            if done == self.model.burn_in:
                self.ema.copy()
            return
        if self.momentum == 0 or not runner.optim_wrapper.should_update():
            return
        self.steps += 1
        self.model.ema_steps.fill_(self.steps)
        total = max((runner.max_iters - self.model.burn_in) // self.interval, 1)
        self.ema.update(self.momentum_at(self.steps, total))

    def before_val_epoch(self, runner: Runner) -> None:
        """Show the student as the teacher while the burn-in lasts."""
        self._copy_in_burn_in(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save the student as the teacher while the burn-in lasts."""
        if self._copy_in_burn_in(runner):
            for name, value in self.model.teacher.state_dict().items():
                checkpoint['state_dict'][f'teacher.{name}'].copy_(value)

    def _copy_in_burn_in(self, runner: Runner) -> bool:
        pending = hasattr(self, 'ema') and runner.iter < self.model.burn_in
        if pending:
            self.ema.copy()
        return pending


def _warn_of_missing_hooks(runner: Runner) -> None:
    there = {type(hook).__name__ for hook in runner.hooks}
    missing = {name: lack for name, lack in RECOMMENDED.items() if name not in there}
    if missing:
        lacks = ', '.join(f'{name} ({lack})' for name, lack in missing.items())
        runner.logger.warning(
            f'the run has no {lacks}: add them to default_hooks, as '
            'configs/_base_/default_runtime.py does.'
        )
