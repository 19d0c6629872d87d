"""Confusion counts of each image of a validation, and the scores that follow from them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...files import write_file


@dataclass(frozen=True)
class ConfusionCounts:
    """Confusion counts of images, of which only those above 0 are kept.

    Attributes:
        image (np.ndarray): Index of the image, (K,).
        entry (np.ndarray): True class times number of classes plus predicted class, (K,).
        count (np.ndarray): Pixels, (K,).
        num_images (int): Number of images.
        num_classes (int): Number of classes.
    """

    image: np.ndarray
    entry: np.ndarray
    count: np.ndarray
    num_images: int
    num_classes: int

    @classmethod
    def of(cls, confusions: Sequence[np.ndarray]) -> ConfusionCounts:
        """Keep what is above 0.

        Args:
            confusions (Sequence[np.ndarray]): Pixels of each image, (C, C), true class by prediction.
        """
        found = [np.nonzero(each.ravel())[0] for each in confusions]
        return cls(
            np.repeat(np.arange(len(found)), [len(each) for each in found]),
            np.concatenate(found),
            np.concatenate([each.ravel()[place] for each, place in zip(confusions, found)]),
            len(confusions),
            len(confusions[0]),
        )

    def areas(self) -> np.ndarray:
        """Return the pixels that are right, predicted and true, of each class of each image.

        Returns:
            np.ndarray: Of shape (N, 3, C), int64.
        """
        areas = np.zeros((self.num_images, 3, self.num_classes), np.int64)
        true, predicted = np.divmod(self.entry.astype(np.int64), self.num_classes)
        right = true == predicted
        np.add.at(areas, (self.image[right], 0, true[right]), self.count[right])
        np.add.at(areas, (self.image, 1, predicted), self.count)
        np.add.at(areas, (self.image, 2, true), self.count)
        return areas


def iou_of(areas: np.ndarray) -> np.ndarray:
    r"""Return the IoU of each class in percent, as MMSegmentation's ``IoUMetric`` counts it.

    .. math:: IoU_c = \frac{TP_c}{P_c + T_c - TP_c}

    Args:
        areas (np.ndarray): Right, predicted and true pixels over all images, (..., 3, C).

    Returns:
        np.ndarray: Of shape (..., C); NaN of a class that is neither true nor predicted anywhere.
    """
    right, predicted, true = np.moveaxis(np.asarray(areas, np.float64), -2, 0)
    with np.errstate(invalid='ignore', divide='ignore'):
        return 100 * right / (predicted + true - right)


def mean_iou(areas: np.ndarray) -> np.ndarray:
    """Return the mean of :func:`iou_of` over the classes that occur, (...).

    Args:
        areas (np.ndarray): Right, predicted and true pixels over all images, (..., 3, C).
    """
    return np.nanmean(iou_of(areas), axis=-1)


def save_counts(path: Path, counts: Mapping[str, ConfusionCounts]) -> None:
    """Write the counts of all branches into one compressed file.

    Args:
        path (Path): The file, ``*.npz``.
        counts (Mapping[str, ConfusionCounts]): Counts by branch.
    """
    arrays = {}
    for branch, each in counts.items():
        arrays[f'{branch}_image'] = each.image.astype(np.uint16)
        arrays[f'{branch}_entry'] = each.entry.astype(np.uint16)
        arrays[f'{branch}_count'] = each.count.astype(np.int32)
        arrays['size'] = np.array([each.num_images, each.num_classes], np.int32)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_file(path, buffer.getvalue())


def load_counts(path: Path) -> dict[str, ConfusionCounts]:
    """Read what :func:`save_counts` wrote.

    Args:
        path (Path): The file.
    """
    with np.load(path) as arrays:
        num_images, num_classes = arrays['size'].tolist()
        branches = [name.removesuffix('_entry') for name in arrays if name.endswith('_entry')]
        return {
            branch: ConfusionCounts(
                *(arrays[f'{branch}_{part}'] for part in ('image', 'entry', 'count')),
                num_images,
                num_classes,
            )
            for branch in branches
        }
