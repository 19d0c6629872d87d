"""Makes the random numbers of a training step a function of the iteration."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS


@HOOKS.register_module()
class StepSeedHook(Hook):
    """Seeds torch before each training iteration by (seed of the run, iteration, rank).

    Mixing boxes, sampled pixels and dropout of a resumed run are then those of an uninterrupted one,
    without any generator state in the checkpoint. :class:`MultiSourceDataset` does the same for the
    augmentation.
    """

    priority = 'VERY_HIGH'

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Seed the step that follows."""
        entropy = (runner.seed, runner.iter, get_rank())
        torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1))
