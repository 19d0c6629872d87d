"""Writes memory banks after each step and says what is in them."""

from __future__ import annotations

from typing import Any

from mmengine.dataset import ConcatDataset
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...models.decode_heads import ClassBankContrastHead
from ...models.memory import MemoryBank
from ...structures.running_stats import name_by_class
from ..unwrap import unwrap

PATIENCE = 3


@HOOKS.register_module()
class MemoryBankHook(Hook):
    """Commits the rows that a training step has staged, after the optimiser step, and logs the banks.

    Serves every :class:`MemoryBank` of the model, a plain ``EncoderDecoder`` included. Tells each
    :class:`ClassBankContrastHead` that does not know it the number of labelled images. At each log
    interval the numbers of a bank join the log line, and those of each class (fill, age, purity) go to
    the visualizer's backends; a bank that stays empty gives one warning.

    Args:
        interval (int): Iterations between logs; use that of ``LoggerHook``.
    """

    # Before LoggerHook (BELOW_NORMAL) and CheckpointHook (VERY_LOW).
    priority = 'NORMAL'

    def __init__(self, interval: int = 50) -> None:
        self.interval = interval
        self._empty: dict[str, int] = {}

    def before_train(self, runner: Runner) -> None:
        """Find the banks, the class names and the number of labelled images."""
        model = unwrap(runner.model)
        banks = [m for m in model.modules() if isinstance(m, MemoryBank)]
        if not banks:
            runner.logger.warning(
                f'MemoryBankHook finds no memory bank in the {type(model).__name__} and does nothing: '
                'add a contrast head with a bank to auxiliary_head if there should be one.'
            )
        for bank in banks:
            bank.hook.announce(runner.hooks)
        names = ['bank'] if len(banks) == 1 else [f'bank_{i}' for i in range(len(banks))]
        self.banks = dict(zip(names, banks))
        dataset = runner.train_dataloader.dataset
        first = dataset.datasets[0] if isinstance(dataset, ConcatDataset) else dataset
        for head in model.modules():
            if isinstance(head, ClassBankContrastHead):
                head.count_labeled_images(len(first))
        classes = getattr(dataset, 'metainfo', {}).get('classes')
        self.classes = classes or [str(i) for i in range(getattr(model, 'num_classes', 0))]

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Commit what was staged; at the end of an interval, log."""
        for bank in self.banks.values():
            bank.commit()
        if self.every_n_train_iters(runner, self.interval):
            for name, bank in self.banks.items():
                self._log(runner, name, bank)

    def _log(self, runner: Runner, name: str, bank: MemoryBank) -> None:
        per_class = {}
        for key, value in bank.statistics().items():
            if value.ndim:
                label = f'{name}/{key.removesuffix("_per_class")}'
                per_class.update(name_by_class(label, self.classes, value.tolist()))
            else:
                runner.message_hub.update_scalar(f'train/{name}.{key}', value.item())
                if key == 'fill':
                    self._warn_of_empty(runner, name, bank, value.item())
        runner.visualizer.add_scalars(per_class, step=runner.iter + 1)

    def _warn_of_empty(self, runner: Runner, name: str, bank: MemoryBank, fill: float) -> None:
        # Before its start nothing is staged and nothing is written: no update, no warning.
        if fill == 0 and int(bank.updates):
            self._empty[name] = self._empty.get(name, 0) + 1
            if self._empty[name] == PATIENCE:
                runner.logger.warning(
                    f'{name} has stayed empty for {PATIENCE} log intervals: no pixel is good enough '
                    'for it; lower `confidence` of the contrast head or start the bank later.'
                )
