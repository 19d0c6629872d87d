"""How many pseudo-labels are right, on images that have true masks after all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmseg.registry import DATASETS
from rich.progress import Progress

from ..datasets.files import IGNORE_INDEX, read_mask
from ..files import write_csv
from .generate import mask_path
from .predict import stored_classes


def true_masks(cfg: Config, folder: str, names: Iterable[str]) -> dict[str, Path]:
    """Find the true mask of each image.

    Args:
        cfg (Config): Config of the model; the masks are named as those of its test data.
        folder (str): Folder of the masks.
        names (Iterable[str]): Names of the images, without suffix.

    Returns:
        dict[str, Path]: Path by name.

    Raises:
        FileNotFoundError: If one is not there.
    """
    dataset = DATASETS.build({**cfg.test_dataloader.dataset, 'lazy_init': True})
    paths = {name: Path(folder, f'{name}{dataset.seg_map_suffix}') for name in names}
    missing = [path for path in paths.values() if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f'{len(missing)} of {len(paths)} true masks are missing, the first is {missing[0]}: '
            'correct --masks, or --image-suffix, or leave --masks out'
        )
    return paths


def count_confusion(pairs: Iterable[tuple[np.ndarray, np.ndarray]], num_classes: int) -> np.ndarray:
    """Count the pixels of each true class by what they were labelled.

    Args:
        pairs (Iterable[tuple[np.ndarray, np.ndarray]]): True classes and labels of each image, of
            equal shape; 255 is no class, and no label.
        num_classes (int): Number of classes C.

    Returns:
        np.ndarray: Pixels, int64, of shape (C, C + 1): true class by label, where the last column
        has what was not labelled.
    """
    counts = np.zeros((num_classes, num_classes + 1), np.int64)
    for true, labels in pairs:
        known = true != IGNORE_INDEX
        # wide enough for the number of a pair, which 8 bits are not
        rows, columns = true[known].astype(np.int64), np.minimum(labels[known], num_classes)
        numbers = np.bincount(rows * (num_classes + 1) + columns, minlength=counts.size)
        counts += numbers.reshape(counts.shape)
    return counts


def precision_table(confusion: np.ndarray, classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Put the precision of each class's labels in words and numbers.

    Args:
        confusion (np.ndarray): Pixels of shape (C, C + 1), see :func:`count_confusion`.
        classes (Sequence[str]): Names of the C classes.

    Returns:
        dict[str, dict[str, Any]]: For each class: its share of all true pixels, its share of the
        labels, the share of its labels that is right, the class that most of the others are, and
        what share of its labels are of that one. Shares are in [0, 1]; what cannot be said is ''.
    """
    labels = confusion[:, :-1]
    rows = {}
    for index, name in enumerate(classes):
        own = labels[:, index].sum()
        wrong = labels[:, index].copy()
        wrong[index] = 0
        other = int(wrong.argmax())
        rows[name] = {
            'true_share': _share(confusion[index].sum(), confusion.sum()),
            'kept_share': _share(own, labels.sum()),
            'precision': _share(labels[index, index], own),
            'confused_with': classes[other] if wrong[other] else '',
            'confused': _share(wrong[other], own) if wrong[other] else '',
        }
    return rows


def write_precision(
    cfg: Config, out: Path, truth: Mapping[str, Path], classes: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Compare finished pseudo-labels with true masks, and write ``precision.csv``.

    Args:
        cfg (Config): Config of the model; ids of both kinds of masks are those of its test data.
        out (Path): Folder of the run.
        truth (Mapping[str, Path]): True mask by name of the image.
        classes (Sequence[str]): Class names.

    Returns:
        dict[str, dict[str, Any]]: What :func:`precision_table` returns.

    Raises:
        ValueError: If a true mask holds what is no class, or is not as large as its image.
    """
    meaning = stored_classes(cfg)
    # closed by the `with`, also where a pair is refused
    with Progress(transient=True) as progress:
        pairs = (
            _read_pair(path, mask_path(out, name), meaning, classes)
            for name, path in progress.track(truth.items(), description='comparing')
        )
        confusion = count_confusion(pairs, len(classes))
    rows = precision_table(confusion, classes)
    write_csv(out / 'precision.csv', [{'class': name, **row} for name, row in rows.items()])
    return rows


def _read_pair(
    path: Path, label_path: Path, meaning: np.ndarray, classes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    true, labels = meaning[read_mask(path)], meaning[read_mask(label_path)]
    if true.shape != labels.shape:
        sizes = (f'{width} x {height}' for height, width in (true.shape, labels.shape))
        raise ValueError('the true mask {} is {} and its image {}'.format(path, *sizes))
    found = true[true != IGNORE_INDEX].max(initial=-1)
    if found >= len(classes):
        raise ValueError(
            f'the true mask {path} holds the class {found}, and {len(classes)} classes have 0 to '
            f'{len(classes) - 1} (255 is ignored): correct the masks, or --masks'
        )
    return true, labels


def _share(part: int, whole: int) -> float | str:
    return round(float(part / whole), 6) if whole else ''
