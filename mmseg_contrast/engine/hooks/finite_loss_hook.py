"""Stops a run whose losses or weights are no longer numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...problem import SetupError
from ..unwrap import unwrap

#: Steps on end without a finite loss after which loss scaling has failed: a scale of 2^16, which is
#: halved in each of them, has fallen below 2^-14.
SCALER_PATIENCE = 30


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stops the run when a loss is NaN or infinite, before such weights reach the teacher or a file.

    Reads the losses that MMEngine has already brought to the host for its log, in each iteration. Weights
    are looked at before each checkpoint, for these can be spoilt by a finite loss; so the last
    checkpoint is always a good one. With a loss scaler (``AmpOptimWrapper``), which leaves out a step
    that overflows, the run stops after 30 such steps on end.

    Args:
        stop (bool): Whether to stop; otherwise there is one warning, and the run goes on.
    """

    # After RuntimeInfoHook, which reads the losses; before MeanTeacherHook and CheckpointHook.
    priority = 'HIGH'

    def __init__(self, stop: bool = True) -> None:
        self.stop = stop
        self._since: dict[str, int] = {}
        self._warned = False

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Look at the losses of the step and, where a checkpoint comes next, at the weights.

        Raises:
            SetupError: If one is not finite: with the iteration and the term that was so first.
        """
        self._look_at_losses(runner, outputs or {})
        if any(_saves_now(hook, runner) for hook in runner.hooks):
            self._look_at_weights(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Look at the weights before a checkpoint by epoch.

        Raises:
            SetupError: If one is not finite.
        """
        self._look_at_weights(runner)

    def _look_at_losses(self, runner: Runner, outputs: Mapping[str, Any]) -> None:
        scalars = runner.message_hub.log_scalars
        values = {
            name: scalars[f'train/{name}'].current()
            for name in outputs
            if 'loss' in name and f'train/{name}' in scalars
        }
        bad = {name: value for name, value in values.items() if not math.isfinite(value)}
        self._since = {name: self._since.get(name, runner.iter) for name in bad}
        if not bad:
            return
        begin = min(self._since.values())
        patience = SCALER_PATIENCE if hasattr(runner.optim_wrapper, 'loss_scaler') else 1
        if runner.iter - begin + 1 < patience:
            return
        # The total comes first and tells least.
        terms = [name for name, since in self._since.items() if since == begin and name != 'loss']
        name = (terms or ['loss'])[0]
        others = f' (and {len(terms) - 1} more terms)' if len(terms) > 1 else ''
        self._tell(runner, f'{name}{others} is {bad[name]} since iteration {begin + 1}')

    def _look_at_weights(self, runner: Runner) -> None:
        named = [(k, v.detach()) for k, v in unwrap(runner.model).named_parameters()]
        finite = torch.stack([value.isfinite().all() for _, value in named]).tolist()
        spoilt = [name for (name, _), good in zip(named, finite) if not good]
        if spoilt:
            what = f'the weights {spoilt[0]} are NaN or infinite after iteration {runner.iter + 1}'
            self._tell(runner, what)

    def _tell(self, runner: Runner, what: str) -> None:
        saved = runner.message_hub.get_info('last_ckpt') or 'none'
        remedy = 'lower the learning rate or clip the gradients (optim_wrapper.clip_grad)'
        text = f'{what}; {remedy}. The last checkpoint before it: {saved}.'
        if self.stop:
            raise SetupError(text)
        if not self._warned:
            self._warned = True
            runner.logger.warning(text)


def _saves_now(hook: Hook, runner: Runner) -> bool:
    """Whether a hook is about to save a checkpoint of this iteration."""
    if not isinstance(hook, CheckpointHook) or hook.by_epoch:
        return False
    return hook.every_n_train_iters(runner, hook.interval, hook.save_begin) or (
        hook.save_last and hook.is_last_train_iter(runner)
    )
