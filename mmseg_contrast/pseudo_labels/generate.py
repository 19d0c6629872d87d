"""Masks for unlabelled images from the confident predictions of a trained model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dist import barrier, broadcast_object_list, is_main_process
from PIL import Image

from ..datasets.files import ids_of_classes
from ..files import sha256_of, write_csv, write_file
from ..run_folder import MANIFEST, claim_folder
from ..structures.pixel_targets import IGNORE_INDEX
from ..version import __version__
from .label_rule import LabelRule
from .predict import predict, prediction_config, stored_classes
from .pseudo_label_writer import PREDICTED

MASKS = 'masks'
THRESHOLDS = 'thresholds.json'


def write_pseudo_labels(
    cfg: Config,
    checkpoint: str | Path,
    images: Mapping[str, str],
    folder: str,
    out: Path,
    classes: Sequence[str],
    rule: LabelRule,
) -> dict[str, Any] | None:
    """Predict the images whose masks are not there yet, then write the report of all of them.

    With a ``keep_ratio`` all images are predicted once before, to find the thresholds, which are kept
    in the folder.

    In an initialised process group every process takes its part of the images. May be interrupted
    and called again at any time.

    Args:
        cfg (Config): Config of the model.
        checkpoint (str | Path): Its weights.
        images (Mapping[str, str]): Name of the mask by path of the image.
        folder (str): Folder of the images.
        out (Path): Where to write; of this run alone.
        classes (Sequence[str]): Class names.
        rule (LabelRule): Which predictions become labels.

    Returns:
        dict[str, Any] | None: The report, in the main process.

    Raises:
        FileExistsError: If ``out`` holds anything that is not of this run.
        ValueError: If the config lacks what ``rule.tta`` needs, or a threshold is none.
    """
    thresholds = rule.thresholds(classes)
    stored_ids = ids_of_classes(stored_classes(cfg), len(classes))
    cfg = prediction_config(cfg, folder, rule.tta)
    pipeline = cfg.test_dataloader.dataset.to_dict()['pipeline']
    claim_folder(
        out,
        {
            'version': __version__,
            'checkpoint_sha256': sha256_of(Path(checkpoint)),
            'model_sha256': sha256_of(repr((cfg.model.to_dict(), pipeline))),
            'images_sha256': sha256_of('\n'.join(sorted(images.values()))),
            'stored_ids': stored_ids,
            'tta': rule.tta,
            'thresholds': thresholds,
            'keep_ratio': rule.keep_ratio,
        },
    )
    cfg.load_from, cfg.resume = str(checkpoint), False
    cfg.work_dir = str(out / 'logs')
    if rule.keep_ratio is not None:
        thresholds = _find_thresholds(cfg, list(images), thresholds, rule.keep_ratio, out)
    # One process looks, or they would see different files of each other.
    pending = [[path for path, name in images.items() if not mask_path(out, name).is_file()]]
    broadcast_object_list(pending)
    if pending[0]:
        writer = dict(
            type='PseudoLabelWriter',
            names={str(Path(p).absolute()): images[p] for p in pending[0]},
            folder=str(out / MASKS),
            thresholds=list(thresholds.values()),
            stored_ids=stored_ids,
        )
        predict(cfg, pending[0], writer, 'pseudo-labels')
    barrier()
    if not is_main_process():
        return None
    report = make_report(out, list(images.values()), thresholds)
    write_csv(out / 'report.csv', [{'class': n, **row} for n, row in report['classes'].items()])
    # Last: where it is, all is done.
    write_file(out / 'report.json', json.dumps(report, indent=2) + '\n')
    return report


def make_report(out: Path, names: Sequence[str], thresholds: Mapping[str, float]) -> dict[str, Any]:
    """Count the pixels of all masks.

    Args:
        out (Path): Folder of the run.
        names (Sequence[str]): Names of the masks.
        thresholds (Mapping[str, float]): Threshold by class.

    Returns:
        dict[str, Any]: The manifest, the number of images and pixels, the coverage (labelled share
        of the pixels), and for each class its threshold, the pixels predicted and kept, its
        coverage (kept share of the predicted) and its share of the kept.
    """
    kept = np.zeros(IGNORE_INDEX + 1, np.int64)
    predicted = np.zeros(len(thresholds), np.int64)
    for name in names:
        with Image.open(mask_path(out, name)) as image:
            predicted += np.array(json.loads(image.text[PREDICTED]))
            kept += np.bincount(np.asarray(image).ravel(), minlength=IGNORE_INDEX + 1)
    manifest = json.loads((out / MANIFEST).read_text(encoding='utf-8'))
    kept = kept[manifest['stored_ids'][:-1]]
    rows = {
        name: {
            'threshold': threshold,
            'predicted': int(seen),
            'kept': int(own),
            'coverage': round(float(own / max(seen, 1)), 6),
            'share': round(float(own / max(kept.sum(), 1)), 6),
        }
        for (name, threshold), seen, own in zip(thresholds.items(), predicted, kept)
    }
    return {
        **manifest,
        'thresholds': dict(thresholds),
        'images': len(names),
        'pixels': int(predicted.sum()),
        'coverage': round(float(kept.sum() / predicted.sum()), 6),
        'classes': rows,
    }


def mask_path(out: Path, name: str) -> Path:
    """Return the path of a mask.

    Args:
        out (Path): Folder of the run.
        name (str): Name of the mask.
    """
    return out / MASKS / f'{name}.png'


def _find_thresholds(
    cfg: Config,
    images: Sequence[str],
    thresholds: Mapping[str, float],
    keep_ratio: float,
    out: Path,
) -> dict[str, float]:
    """Lower thresholds that too few exceed; take those of a call before, if there was one."""
    path = out / THRESHOLDS
    found = [json.loads(path.read_text(encoding='utf-8')) if path.is_file() else None]
    broadcast_object_list(found)  # one process looks, as for the masks
    if found[0] is None:
        meter = dict(type='ScoreHistogram', classes=list(thresholds), keep_ratio=keep_ratio)
        measured = predict(cfg, images, meter, 'thresholds')
        found[0] = {
            name: min(value, measured[f'threshold/{name}']) for name, value in thresholds.items()
        }
        if is_main_process():
            write_file(path, json.dumps(found[0], indent=2) + '\n')
    return found[0]
