"""One more validation of a trained net, which keeps what each image counts."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, load_state_dict
from mmseg.registry import MODELS

from ...models.segmentors import SemiSupervisedSegmentor
from ...report.measures import NUM_BINS, bins_of, calibration_error, confusion_of
from ...structures.step import BRANCHES
from ..checkpoint import read_checkpoint, without_initial_weights
from .counts import ConfusionCounts


@dataclass(frozen=True)
class Validation:
    """What the validation of the last checkpoint gave.

    Attributes:
        classes (list[str]): Names of the classes.
        branch (str): The branch that the config predicts with; 'student' of a plain net.
        counts (dict[str, ConfusionCounts]): Counts of each branch.
        ece (dict[str, float]): Expected calibration error of each branch, in percent.
    """

    classes: list[str]
    branch: str
    counts: dict[str, ConfusionCounts]
    ece: dict[str, float]


def validate(cfg: Config, checkpoint: Path) -> Validation:
    """Validate each branch of a net on the validation images of its config.

    Args:
        cfg (Config): The config of the run.
        checkpoint (Path): Its checkpoint.
    """
    init_default_scope('mmseg')
    device = get_device()
    model = MODELS.build(without_initial_weights(cfg.model))
    load_state_dict(model, read_checkpoint(checkpoint)['state_dict'], strict=True)
    model = (revert_sync_batchnorm(model) if device == 'cpu' else model).to(device).eval()
    loader = {**cfg.val_dataloader, 'num_workers': 0, 'persistent_workers': False}
    loader.pop('prefetch_factor', None)
    images = Runner.build_dataloader(loader)
    has_teacher = isinstance(model, SemiSupervisedSegmentor)
    counts, ece = {}, {}
    for branch in BRANCHES if has_teacher else ('student',):
        with model.predict_with(branch) if has_teacher else nullcontext():
            counts[branch], ece[branch] = _validate(model, images)
    chosen = model.predict_on if has_teacher else 'student'
    return Validation([*images.dataset.metainfo['classes']], chosen, counts, ece)


@torch.no_grad()
def _validate(
    model: torch.nn.Module, images: torch.utils.data.DataLoader
) -> tuple[ConfusionCounts, float]:
    num_classes = len(images.dataset.metainfo['classes'])
    confusions, bins = [], np.zeros((3, NUM_BINS))
    for batch in images:
        for sample in model.val_step(batch):
            truth = sample.gt_sem_seg.data[0].cpu().numpy()
            predicted = sample.pred_sem_seg.data[0].cpu().numpy()
            confidence = sample.seg_logits.data.softmax(0).amax(0).cpu().numpy()
            known = truth < num_classes
            confusions.append(confusion_of(truth, predicted, num_classes))
            bins += bins_of(confidence[known], predicted[known] == truth[known])
    return ConfusionCounts.of(confusions), 100 * calibration_error(bins)
