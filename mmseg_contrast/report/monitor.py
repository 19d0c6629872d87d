"""How good pseudo-labels are, on a few unlabelled images whose masks are known."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import get_world_size
from mmseg.registry import DATASETS
from torch import nn

from ..datasets.scan import parts_of, random_numbers_kept
from ..models.selectors.top_class import top_class
from .measures import confusion_of
from .records import MonitorRecord

#: Images that are looked at, at most: each costs a forward at every validation.
MAX_IMAGES = 50
#: Where a data set finds its files.
FOLDERS = ('data_root', 'data_prefix', 'ann_file')


def build_monitor(cfg: Config, monitor: str | Mapping[str, Any]) -> Any:
    """Build the data set of the images to look at.

    Args:
        cfg (Config): Config of the run. The data set is that of its validation, with the folders of its
            first training images.
        monitor (str | Mapping): List of the images, as labelled lists name them; or more changes of the
            data set: ``dict(ann_file=..., data_prefix=dict(img_path=..., seg_map_path=...))``.

    Raises:
        ValueError: If there is no image.
    """
    base = {k: v for k, v in cfg.val_dataloader.dataset.items() if k not in FOLDERS}
    # A list is found from where the training was started, as those of the command line are.
    own = {'ann_file': os.path.abspath(monitor)} if isinstance(monitor, str) else dict(monitor)
    labeled = _first_leaf(cfg.train_dataloader.dataset)
    folders = {key: labeled[key] for key in FOLDERS if key in labeled}
    dataset = DATASETS.build({**base, **folders, **own})
    if not len(dataset):
        raise ValueError(f'the monitor {monitor} has no image: give a list of images with masks')
    return dataset


def shared_images(monitor: Any, training: Any) -> list[str]:
    """Name the images to look at whose masks are learnt from, so that they say nothing.

    Args:
        monitor (Any): Data set of the images to look at.
        training (Any): The training data.
    """
    learnt = {
        info['img_path']
        for part in parts_of(training)
        for info in (part.get_data_info(i) for i in range(len(part)))
        if info.get('seg_map_path')
    }
    paths = (monitor.get_data_info(i)['img_path'] for i in range(len(monitor)))
    return [path for path in paths if path in learnt]


@torch.no_grad()
def measure(model: nn.Module, dataset: Any, num_classes: int) -> MonitorRecord:
    """Label the images as the teacher does, a plain model as itself, and compare.

    The selector is a copy, so that its thresholds do not move. With several processes it is left out: it
    would wait for the others.

    Args:
        model (nn.Module): The model in eval mode, without wrappers.
        dataset (Any): Images with masks, see :func:`build_monitor`.
        num_classes (int): Number of classes C.
    """
    selector = getattr(model, 'selector', None)
    selects = hasattr(model, 'selector') and get_world_size() == 1
    selector = copy.deepcopy(selector) if selects else None
    by_teacher = model.predict_with('teacher') if hasattr(model, 'predict_with') else nullcontext()
    everything = np.zeros((num_classes, num_classes))
    kept = np.zeros((num_classes, num_classes))
    number = min(len(dataset), MAX_IMAGES)
    with by_teacher, random_numbers_kept():
        for index in range(number):
            sample = dataset[index]
            batch = {'inputs': [sample['inputs']], 'data_samples': [sample['data_samples']]}
            [result] = model.test_step(batch)
            logits = result.seg_logits.data.float()
            # a single channel holds the probability of class 1 already
            probs = torch.cat([1 - logits, logits]) if len(logits) == 1 else logits.softmax(0)
            truth = result.gt_sem_seg.data.squeeze(0).cpu().numpy()
            top = top_class(probs[None])
            labels = top.labels[0].cpu().numpy()
            everything += confusion_of(truth, labels, num_classes)
            weight = np.ones(truth.shape)
            if selector is not None:
                valid = torch.ones(1, *truth.shape, dtype=torch.bool, device=probs.device)
                weight = selector(probs[None], top, valid)[0][0].float().cpu().numpy()
            kept += confusion_of(truth, labels, num_classes, weight)
    return MonitorRecord(number, everything.tolist(), kept.tolist() if selects else None)


def _first_leaf(node: Any) -> Mapping[str, Any]:
    while 'data_prefix' not in node and ('dataset' in node or 'datasets' in node):
        node = node['dataset'] if 'dataset' in node else node['datasets'][0]
    return node
