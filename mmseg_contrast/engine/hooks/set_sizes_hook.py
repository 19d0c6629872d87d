"""Tells the model how many images it learns from."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...datasets.multi_source_dataset import images_per_branch
from ..unwrap import unwrap


@HOOKS.register_module()
class SetSizesHook(Hook):
    """Counts the labelled and unlabelled images before the training, for class weights.

    The labelled ones are those of the branch ``sup``, the unlabelled ones those of the branch that the
    teacher sees. Numbers that the config gives stay. Where no pipeline has branches nothing is known, and
    the class weights ask for the numbers in the first step.
    """

    def before_train(self, runner: Runner) -> None:
        """Count the images and tell the class weights."""
        model = unwrap(runner.model)
        weights = getattr(model, 'class_weights', None)
        images = images_per_branch(runner.train_dataloader.dataset)
        if weights is None or not weights.needs_sizes or not images:
            return
        unlabeled = images.get(model.semi_train_cfg.teacher_view, 0)
        weights.set_sizes(images.get('sup', 0), unlabeled)
