"""Loops that do not fit their data."""

from __future__ import annotations

from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.runner import EpochBasedTrainLoop

from ...datasets import MultiSourceSampler
from ...problem import Problem


def check_epochs_end(train_loop: Any, sampler: Any) -> list[Problem]:
    """Look for a loop that waits for the end of an epoch that has none.

    Args:
        train_loop (Any): The loop.
        sampler (Any): The sampler of the training data.

    Returns:
        list[Problem]: At most one.
    """
    endless = isinstance(sampler, MultiSourceSampler | InfiniteSampler)
    if not (endless and isinstance(train_loop, EpochBasedTrainLoop)):
        return []
    what = f'an epoch of {type(train_loop).__name__} never ends, since {type(sampler).__name__} goes on '
    what += 'for ever'
    remedy = "set train_cfg=dict(type='IterBasedTrainLoop', max_iters=..., val_interval=...)"
    return [Problem('train_cfg', what, remedy)]
