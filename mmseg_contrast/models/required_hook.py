"""Hooks without which a part of the model would do nothing."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.logging import MessageHub

from ..problem import SetupError


class RequiredHook:
    """Lets a module ask, in each training step, whether the hook that it depends on is there.

    A list in a config replaces that of its base, so that hooks get lost without a word. The hook
    announces itself before the training; nothing is asked where no Runner trains.

    Args:
        hook (str): Name of the hook.
        otherwise (str): What happens without it.
    """

    def __init__(self, hook: str, otherwise: str) -> None:
        self.hook = hook
        self.otherwise = otherwise
        self.announced = False

    def announce(self, hooks: Sequence[Hook]) -> None:
        """Note that the hook is there, once.

        Args:
            hooks (Sequence[Hook]): The hooks of the run.

        Raises:
            SetupError: If there are several, each of which would do the work again.
        """
        number = sum(type(hook).__name__ == self.hook for hook in hooks)
        if number > 1:
            raise SetupError(
                f'custom_hooks has {number} of {self.hook}, and each would update the same again: leave '
                'one.'
            )
        self.announced = True

    def check(self) -> None:
        """Ask for the hook.

        Raises:
            SetupError: If a Runner trains without it.
        """
        if self.announced:
            return
        if MessageHub.get_current_instance().get_info('loop_stage') == 'train':
            raise SetupError(
                f'custom_hooks has no {self.hook}, so that {self.otherwise}: add '
                f"dict(type='{self.hook}'). A list of hooks replaces that of the base config: begin "
                'it with *_base_.custom_hooks.'
            )
