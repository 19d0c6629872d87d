"""A progress bar for long tests."""

from __future__ import annotations

from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from tqdm import tqdm


@HOOKS.register_module()
class ProgressBarHook(Hook):
    """Shows how far a test is, in the main process.

    Args:
        title (str): What is being done.
    """

    def __init__(self, title: str = 'test') -> None:
        self.title = title

    def before_test(self, runner: Runner) -> None:
        """Start the bar."""
        total = len(runner.test_dataloader)
        self.bar = tqdm(total=total, desc=self.title, disable=not is_main_process())

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Advance the bar."""
        self.bar.update()

    def after_test(self, runner: Runner) -> None:
        """Close the bar."""
        self.bar.close()
