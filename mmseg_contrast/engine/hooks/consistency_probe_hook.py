"""Measures how much the embeddings of the same images change within some iterations."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor, nn

from ...models.decode_heads import ContrastHead
from ...models.segmentors import SemiSupervisedSegmentor
from ...problem import SetupError
from ...structures import Features
from ..unwrap import unwrap


@HOOKS.register_module()
class ConsistencyProbeHook(Hook):
    r"""Logs the consistency of features over T iterations, as ``cons``; higher is more consistent.

    .. math:: Cons(T) = \frac{1}{N} \sum_x \cos(z^{x, t}, z^{x, t + T})

    mean over the pixels of a probe batch: the images of the first training batch, labelled and
    unlabelled, as the student saw them. Source: CSC, Eq. 7; the published code compares features in train
    mode with features in eval mode, here both are in eval mode. Costs two forward passes of one
    batch in each interval. A resumed run takes its own first batch. The first contrast head is probed.

    Args:
        horizon (int): T, iterations between the two looks, at least 1.
        interval (int): Iterations from one first look to the next, above T.
        num_images (int): Images of each branch.

    Raises:
        ValueError: If the interval does not exceed the horizon.
    """

    # Before LoggerHook (BELOW_NORMAL); after the teacher and the banks.
    priority = 'NORMAL'

    def __init__(self, horizon: int = 25, interval: int = 500, num_images: int = 2) -> None:
        if not 1 <= horizon < interval:
            raise ValueError(
                f'ConsistencyProbeHook(horizon={horizon}, interval={interval}) needs an interval above '
                'the horizon, and a horizon of at least 1.'
            )
        self.horizon = horizon
        self.interval = interval
        self.num_images = num_images

    def before_train(self, runner: Runner) -> None:
        """Find the contrast head.

        Raises:
            SetupError: If the model has none.
        """
        self.model = unwrap(runner.model)
        teacher = getattr(self.model, 'teacher', nn.Module())
        skipped = set(teacher.modules())
        heads = [
            m for m in self.model.modules() if isinstance(m, ContrastHead) and m not in skipped
        ]
        if not heads:
            raise SetupError(
                f'ConsistencyProbeHook finds no contrast head in the {type(self.model).__name__}: add '
                'one to auxiliary_head or remove the hook.'
            )
        self.head = heads[0]
        self.images: list[Tensor] = []
        self.before: list[Tensor] = []

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Look at the probe batch for the first or the second time, if it is time."""
        if not self.images:
            self.images = self._prepare(data_batch)
        phase = (runner.iter + 1) % self.interval
        if phase == 0:
            self.before = self._embed()
        elif phase == self.horizon and self.before:
            pairs = zip(self.before, self._embed())
            cosine = torch.cat([F.cosine_similarity(a, b, dim=1).flatten() for a, b in pairs])
            runner.message_hub.update_scalar('train/cons', cosine.mean().item())
            self.before = []

    def _prepare(self, data_batch: dict) -> list[Tensor]:
        images = self.model.data_preprocessor(copy.deepcopy(data_batch), training=True)['inputs']
        if not isinstance(images, dict):
            return [images[: self.num_images]]
        view = self.model.views[0].branch
        return [images[name][: self.num_images] for name in ('sup', view) if name in images]

    @torch.no_grad()
    def _embed(self) -> list[Tensor]:
        training = self.model.training
        self.model.eval()
        embeddings = [self.head.embed(self._features(images)).float() for images in self.images]
        self.model.train(training)
        return embeddings

    def _features(self, images: Tensor) -> Features:
        if isinstance(self.model, SemiSupervisedSegmentor):
            return self.model.student_features(images)
        return Features(self.model.extract_feat(images))
