"""Loops that do not fit their data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmengine.dataset import InfiniteSampler
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmseg.evaluation import IoUMetric

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


def monitored(runner: Runner) -> Iterator[tuple[str, str]]:
    """Yield the scores of the validation that parts of a run wait for, and where they are set.

    Args:
        runner (Runner): The runner.
    """
    for hook in runner.hooks:
        for key in ('save_best', 'monitor'):
            scores = getattr(hook, key, None) or []
            for score in [scores] if isinstance(scores, str) else scores:
                if score != 'auto':
                    yield f'{type(hook).__name__}.{key}', score
    schedulers = runner.param_schedulers or []
    groups = schedulers.values() if isinstance(schedulers, Mapping) else [schedulers]
    for scheduler in [each for group in groups for each in group]:
        if isinstance(getattr(scheduler, 'monitor', None), str):
            yield f'{type(scheduler).__name__}.monitor', scheduler.monitor


def check_scores(runner: Runner) -> list[Problem]:
    """Look for scores that parts of a run wait for and that its validation does not give.

    Args:
        runner (Runner): The runner.

    Returns:
        list[Problem]: At most one; none where a metric is another than MMSeg's, whose scores are not known.
    """
    metrics = getattr(getattr(runner.val_loop, 'evaluator', None), 'metrics', [])
    if not metrics or any(type(metric) is not IoUMetric for metric in metrics):
        return []
    given = {name for metric in metrics for name in _scores_of(metric)}
    branches = getattr(runner.val_loop, 'branches', ())
    given = {f'{branch}/{name}' for branch in branches for name in given} if branches else given
    for place, score in monitored(runner):
        if score not in given:
            what = f"the validation gives no '{score}'"
            return [Problem(place, what, f'set it to one of {", ".join(sorted(given))}')]
    return []


def _scores_of(metric: IoUMetric) -> Iterator[str]:
    area = torch.ones(1)
    prefix = f'{metric.prefix}/' if metric.prefix else ''
    for name in metric.total_area_to_metrics(area, area, area, area, metric.metrics):
        yield prefix + (name if name == 'aAcc' else f'm{name}')
