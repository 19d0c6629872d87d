"""Counts over the images of a validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmseg.structures import SegDataSample
from torch import Tensor

from ..models.decode_heads.contrast_head import class_sums
from ..structures.feature_grid import align_labels
from .measures import NUM_BINS, bins_of, confusion_of, iou_of, separation_of
from .records import NetRecord

#: Pixels of an image, at most, whose confidence is looked at: a regular grid of them.
MAX_PIXELS = 16384
#: Images that are kept as the worst, and the longer side of what is kept of them.
NUM_WORST = 3
SIDE = 320


@dataclass
class Candidate:
    """An image that may be among the worst.

    Attributes:
        path (str): File of the image.
        iou (float): Mean IoU of the classes that truth or prediction have, in [0, 1].
        truth (np.ndarray): True classes, small, of shape (h, w).
        prediction (np.ndarray): Predicted classes, likewise.
    """

    path: str
    iou: float
    truth: np.ndarray
    prediction: np.ndarray


@dataclass
class ValidationCounts:
    """What is counted of one net, on one process.

    Attributes:
        num_classes (int): Number of classes C.
        confusion (np.ndarray): Pixels, int64 of shape (C, C), true class by prediction.
        bins (np.ndarray): Predictions by confidence, see :func:`.measures.bins_of`.
        cross_entropy (float): Sum over the pixels that are in ``bins``.
        sums (np.ndarray | None): Sum of the unit features of each class, (C, D); None without features.
        counts (np.ndarray): Numbers of these, (C,).
        worst (list[Candidate]): The worst images so far, the worst first.
        images (int): Images so far.
    """

    num_classes: int
    confusion: np.ndarray = field(init=False)
    bins: np.ndarray = field(init=False)
    cross_entropy: float = 0.0
    sums: np.ndarray | None = None
    counts: np.ndarray = field(init=False)
    worst: list[Candidate] = field(default_factory=list)
    images: int = 0

    def __post_init__(self) -> None:
        self.confusion = np.zeros((self.num_classes, self.num_classes), np.int64)
        self.bins = np.zeros((3, NUM_BINS))
        self.counts = np.zeros(self.num_classes, np.int64)

    @torch.no_grad()
    def add(self, sample: SegDataSample, feature: Tensor | None = None) -> None:
        """Count one image; one without a mask does not count.

        Args:
            sample (SegDataSample): With ``gt_sem_seg``, ``pred_sem_seg`` and, for the calibration,
                ``seg_logits``.
            feature (Tensor, optional): What the classifier got of the image as the net saw it, (D, h, w).
        """
        if 'gt_sem_seg' not in sample or 'pred_sem_seg' not in sample:
            return
        self.images += 1
        known = sample.gt_sem_seg.data.squeeze(0)
        truth = known.cpu().numpy()
        prediction = sample.pred_sem_seg.data.squeeze(0).cpu().numpy()
        if truth.shape != prediction.shape:
            return
        confusion = confusion_of(truth, prediction, self.num_classes)
        self.confusion += confusion
        self._keep_if_bad(sample, confusion, truth, prediction)
        if 'seg_logits' in sample:
            self._add_confidence(sample.seg_logits.data, truth, prediction)
        if feature is not None and not sample.get('flip'):
            self._add_feature(sample, feature, known)

    def merge(self, other: ValidationCounts) -> None:
        """Take in what another process has counted.

        Args:
            other (ValidationCounts): Of the same classes.
        """
        self.confusion += other.confusion
        self.bins += other.bins
        self.cross_entropy += other.cross_entropy
        self.counts += other.counts
        self.images += other.images
        self.worst = sorted([*self.worst, *other.worst], key=lambda c: c.iou)[:NUM_WORST]
        if other.sums is not None:
            self.sums = other.sums if self.sums is None else self.sums + other.sums

    def record(self) -> NetRecord:
        """Return what is kept of it."""
        within, between = [], None
        if self.sums is not None:
            within, between = separation_of(self.sums, self.counts)
            within = within.tolist()
        number = self.bins[0].sum()
        return NetRecord(
            confusion=self.confusion.tolist(),
            bins=self.bins.tolist(),
            cross_entropy=float(self.cross_entropy / number) if number else None,
            within=within,
            between=between,
        )

    def _keep_if_bad(self, sample: SegDataSample, confusion: np.ndarray, *maps: np.ndarray) -> None:
        iou = iou_of(confusion)
        if np.isnan(iou).all() or 'img_path' not in sample:
            return
        score = float(np.nanmean(iou))
        if len(self.worst) == NUM_WORST and score >= self.worst[-1].iou:
            return
        self.worst.append(Candidate(sample.img_path, score, *map(shrink_labels, maps)))
        self.worst = sorted(self.worst, key=lambda c: c.iou)[:NUM_WORST]

    def _add_confidence(self, logits: Tensor, truth: np.ndarray, prediction: np.ndarray) -> None:
        step = max(1, int(np.ceil(np.sqrt(truth.size / MAX_PIXELS))))
        logits = logits[:, ::step, ::step].float()
        truth, prediction = truth[::step, ::step], prediction[::step, ::step]
        if len(logits) == 1:  # a single channel holds the probability of class 1 already
            log_probs = torch.cat([1 - logits, logits]).clamp(min=1e-12).log()
        else:
            log_probs = logits.log_softmax(0)
        known = (truth >= 0) & (truth < self.num_classes)
        index = torch.from_numpy(np.stack([truth, prediction]) * known).to(log_probs.device)
        of_truth, of_prediction = log_probs.gather(0, index.long()).cpu().numpy()[:, known]
        correct = truth[known] == prediction[known]
        self.bins += bins_of(np.exp(of_prediction), correct)
        self.cross_entropy -= float(of_truth.astype(float).sum())

    def _add_feature(self, sample: SegDataSample, feature: Tensor, labels: Tensor) -> None:
        image = tuple(sample.img_shape[:2])
        padded = tuple(sample.get('pad_shape', image)[:2])
        labels = align_labels(labels.to(feature.device), feature.shape[1:], image, padded)
        unit = F.normalize(feature.float(), dim=0)
        sums, counts = class_sums(unit[None], labels[None], self.num_classes)
        sums = sums[0].double().cpu().numpy()
        self.sums = sums if self.sums is None else self.sums + sums
        self.counts += counts[0].cpu().numpy()


def shrink_labels(labels: np.ndarray) -> np.ndarray:
    """Return a map of classes whose longer side is :data:`SIDE` at most, as uint8.

    Args:
        labels (np.ndarray): Classes of shape (H, W), in [0, 255].
    """
    return shrink(labels.astype(np.uint8), cv2.INTER_NEAREST)


def shrink(image: np.ndarray, interpolation: int = cv2.INTER_AREA) -> np.ndarray:
    """Return an image whose longer side is :data:`SIDE` at most.

    Args:
        image (np.ndarray): Of shape (H, W) or (H, W, 3).
        interpolation (int): OpenCV's flag.
    """
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=interpolation)


def merge_counts(
    parts: Sequence[dict[str, ValidationCounts] | None],
) -> dict[str, ValidationCounts]:
    """Join what all processes have counted.

    Args:
        parts (Sequence[dict[str, ValidationCounts] | None]): Counts by net; None where a process failed.
    """
    merged: dict[str, ValidationCounts] = {}
    for part in parts:
        for net, counts in (part or {}).items():
            if net in merged:
                merged[net].merge(counts)
            else:
                merged[net] = counts
    return merged
