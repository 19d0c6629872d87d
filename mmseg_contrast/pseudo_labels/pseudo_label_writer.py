"""Writes confident predictions as masks to train on."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ..files import write_file
from ..models.selectors.top_class import top_class
from ..structures.pixel_targets import IGNORE_INDEX

#: Text chunk of a mask with the number of pixels predicted as each class, kept or not.
PREDICTED = 'predicted'


def class_scores(logits: Tensor) -> Tensor:
    """Turn logits into the scores of the classes.

    Args:
        logits (Tensor): Logits of shape (C, H, W); a single channel is the sigmoid logit of the
            second of two classes.

    Returns:
        Tensor: Scores of shape (C, H, W) that sum to 1 over C, where C is at least 2.
    """
    if len(logits) > 1:
        return logits.float().softmax(0)
    # Both from the logit: 1 - score would round where the score is close to 1.
    logits = logits.float()
    return torch.cat([(-logits).sigmoid(), logits.sigmoid()])


def select_labels(scores: Tensor, thresholds: Tensor) -> tuple[Tensor, Tensor]:
    """Label each pixel with its best class where that class's score exceeds the class's threshold.

    It is ``1 - score``, the sum of the other scores, that is compared: it tells scores apart that round
    to 1. Source: Zhao et al. (ICCV 2021), section 4.2.

    Args:
        scores (Tensor): Scores of shape (C, H, W) that sum to 1 over C.
        thresholds (Tensor): Threshold of each class, float64 of shape (C,), on any device.

    Returns:
        tuple[Tensor, Tensor]: The labels, in which other pixels are 255, and the best classes of
        all pixels; both int64 of shape (H, W).
    """
    classes, _, doubt = (x[0] for x in top_class(scores.unsqueeze(0)))
    most = (1 - thresholds.double()).to(doubt)
    return classes.masked_fill(doubt >= most[classes], IGNORE_INDEX), classes


@METRICS.register_module()
class PseudoLabelWriter(BaseMetric):
    """Writes the confident pixels of each prediction as a mask, in place of an evaluation.

    Each process writes the images that it has predicted, each file atomically, with the histogram
    of all predictions in it. Masks have the size of the image and the ids that the data set's own
    masks have.

    Args:
        names (Mapping[str, str]): Path of the mask below ``folder``, without suffix, by path of the
            image.
        folder (str): Folder of the masks.
        thresholds (Sequence[float]): Threshold of each class.
        stored_ids (Sequence[int]): Id that the masks hold for each of C classes, then the ignored
            one: those of :func:`mmseg_contrast.datasets.files.ids_of_classes`.
        kwargs: Arguments of MMEngine's ``BaseMetric``.
    """

    default_prefix = 'pseudo_label'

    def __init__(
        self,
        names: Mapping[str, str],
        folder: str,
        thresholds: Sequence[float],
        stored_ids: Sequence[int],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.names = names
        self.folder = Path(folder)
        self.thresholds = torch.tensor(thresholds, dtype=torch.float64)
        self.stored_ids = np.zeros(IGNORE_INDEX + 1, np.uint8)
        self.stored_ids[[*range(len(stored_ids) - 1), IGNORE_INDEX]] = stored_ids

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Write the masks of a batch.

        Args:
            data_batch (dict): Unused.
            data_samples (Sequence[dict]): Predictions with ``seg_logits``.
        """
        for sample in data_samples:
            scores = class_scores(sample['seg_logits']['data'])
            labels, classes = select_labels(scores, self.thresholds)
            predicted = np.bincount(classes.flatten().cpu().numpy(), minlength=len(scores))
            labels = labels.cpu().numpy()
            kept = int((labels != IGNORE_INDEX).sum())
            info = PngInfo()
            info.add_text(PREDICTED, json.dumps(predicted.tolist()))
            buffer = io.BytesIO()
            Image.fromarray(self.stored_ids[labels]).save(buffer, 'png', pnginfo=info)
            name = self.names[sample['img_path']]
            write_file(self.folder / f'{name}.png', buffer.getvalue())
            self.results.append((kept, labels.size))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Return the number of masks and the share of labelled pixels of this session.

        Args:
            results (list): Pairs of labelled and all pixels of each image.
        """
        kept, pixels = np.sum(results, axis=0)
        return {'images': float(len(results)), 'coverage': float(kept / pixels)}
