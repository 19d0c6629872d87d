"""Logs what the selector, the contrast heads and the ramps do, and says why a term is zero."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...problem import SetupError
from ...report.symptoms import ZERO_REASONS, drifts
from ...structures.running_stats import name_by_class
from ..unwrap import unwrap

#: Intervals on end for which a class drifts before the warning.
DRIFT_INTERVALS = 10


@HOOKS.register_module()
class SemiDiagnosticsHook(Hook):
    """Writes the model's running statistics at each log interval, with one host sync.

    Overall numbers (coverage, anchors, terms before their weight, ramps) join the log line; numbers
    per class (thresholds, coverage, share of the predictions) go to the visualizer's backends as
    ``unsup.threshold/<class>`` and so on. A statistic of :data:`.ZERO_REASONS` that stays 0 for
    ``patience`` intervals gives one warning with the reason. So does a class of which the teacher's
    labels have far more, or far fewer, than the masks of the labelled images: where these resemble each
    other, its mistakes have begun to teach themselves. A share of an interval is what was counted in all
    its steps and processes over what there was; without anything to count it is left out.

    Args:
        interval (int): Iterations between logs; use that of ``LoggerHook``.
        patience (int): Intervals at 0 before the warning.
    """

    # Before LoggerHook (BELOW_NORMAL), which prints what is written here.
    priority = 'NORMAL'

    def __init__(self, interval: int = 50, patience: int = 3) -> None:
        self.interval = interval
        self.patience = patience
        self._zeros: dict[str, int] = {}
        self._drifts: dict[str, int] = {}

    def before_train(self, runner: Runner) -> None:
        """Find the model and its class names.

        Raises:
            SetupError: If the model keeps no statistics.
        """
        self.model = unwrap(runner.model)
        if not hasattr(self.model, 'running_stats'):
            raise SetupError(
                f'SemiDiagnosticsHook reads statistics that a {type(self.model).__name__} does not keep: '
                "set model.type='SemiSupervisedSegmentor' or 'ContrastivePretrainer', or remove the hook."
            )
        meta = getattr(runner.train_dataloader.dataset, 'metainfo', {})
        self.classes = meta.get('classes') or [str(i) for i in range(self.model.num_classes)]
        self.model.running_stats.pop()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Log the statistics of the interval that ends with this iteration."""
        if not self.every_n_train_iters(runner, self.interval):
            return
        per_class = {}
        stats = self.model.running_stats.pop()
        for name, value in stats.items():
            if isinstance(value, list):
                base = name.removesuffix('_per_class')
                # A name cannot be both a value and the folder of others.
                base = name if base in stats else base
                per_class.update(name_by_class(base, self.classes, value))
            else:
                runner.message_hub.update_scalar(f'train/{name}', value)
                self._warn_of_zero(runner, name, value)
        if per_class:
            runner.visualizer.add_scalars(per_class, step=runner.iter + 1)
        # labels that teach nobody, or not yet, may be as wrong as they like
        teaches = any(
            value > 0 for name, value in stats.items() if name.endswith('consistency_ramp')
        )
        if teaches and 'sup.share_per_class' in stats:
            self._warn_of_drift(
                runner, stats['sup.share_per_class'], stats['unsup.share_per_class']
            )

    def _warn_of_zero(self, runner: Runner, name: str, value: float) -> None:
        reason = ZERO_REASONS.get(name.rsplit('.', 1)[-1])
        if reason is None:
            return
        self._zeros[name] = self._zeros.get(name, 0) + 1 if value == 0 else 0
        if self._zeros[name] == self.patience:
            runner.logger.warning(
                f'{name} has been 0 for {self.patience * self.interval} iterations: {reason}.'
            )

    def _warn_of_drift(self, runner: Runner, masks: list[float], teacher: list[float]) -> None:
        for name, known, taught in zip(self.classes, masks, teacher):
            count = self._drifts.get(name, 0) + 1
            self._drifts[name] = count if drifts(known, taught) else 0
            if self._drifts[name] == DRIFT_INTERVALS:
                runner.logger.warning(
                    f"'{name}' is {taught:.1%} of what the teacher sees in the unlabelled images and "
                    f'{known:.1%} of the masks, for {DRIFT_INTERVALS * self.interval} iterations now: '
                    'unless the images differ that much, its mistakes teach themselves. Jitter the '
                    "colours of the labelled images, slow the teacher (MeanTeacherHook(schedule='cosine')), "
                    'or lower unsup_loss.loss_weight.'
                )
