"""Masks for unlabelled images from the confident predictions of a trained model."""

from __future__ import annotations

import copy
import csv
import difflib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dist import barrier, broadcast_object_list, is_main_process
from mmengine.runner import Runner
from mmseg.registry import DATASETS
from PIL import Image

from ..datasets.files import sha256_of, write_file
from ..evaluation.pseudo_label_writer import PREDICTED
from ..structures.pixel_targets import IGNORE_INDEX
from ..version import __version__
from .checkpoint import sha256
from .run_folder import MANIFEST, claim_folder

MASKS = 'masks'
CSV_HEADER = ('class', 'threshold', 'predicted', 'kept', 'coverage', 'share')


def read_thresholds(
    classes: Sequence[str], default: float, by_class: Mapping[str, float]
) -> list[float]:
    """Put together the threshold of each class.

    Args:
        classes (Sequence[str]): Class names.
        default (float): Threshold of the classes that have none of their own, in [0, 1).
        by_class (Mapping[str, float]): Thresholds by class name.

    Raises:
        ValueError: If a name is no class, or a threshold not in [0, 1).
    """
    for name in by_class:
        if name not in classes:
            near = difflib.get_close_matches(name, classes, n=1)
            hint = f'did you mean {near[0]!r}?' if near else f'the classes are {", ".join(classes)}'
            raise ValueError(f'there is no class {name!r} to give a threshold; {hint}')
    thresholds = [float(by_class.get(name, default)) for name in classes]
    for name, value in zip(classes, thresholds):
        if not 0 <= value < 1:
            raise ValueError(f'the threshold {value} of {name} is no score: give one in [0, 1)')
    return thresholds


def unlabeled_images(cfg: Config, folder: str, image_list: str, suffix: str | None) -> dict:
    """Find the images to label.

    Args:
        cfg (Config): Config of the model; the classes are those of its test data.
        folder (str): Folder of the images.
        image_list (str): List of images relative to it, or '' for all.
        suffix (str, optional): End of the file names.

    Returns:
        dict: ``images``, the name of the mask by path of the image; ``classes``.

    Raises:
        FileNotFoundError: If the folder, the list or an image is not there.
    """
    dataset = DATASETS.build(_dataset(cfg, folder, image_list, suffix))
    images = {}
    for index in range(len(dataset)):
        path = dataset.get_data_info(index)['img_path']
        end = suffix if suffix and path.endswith(suffix) else Path(path).suffix
        relative = Path(path).absolute().relative_to(Path(folder).absolute()).as_posix()
        images[path] = relative[: -len(end)]
    return {'images': images, 'classes': list(dataset.metainfo['classes'])}


def write_pseudo_labels(
    cfg: Config,
    checkpoint: str | Path,
    images: Mapping[str, str],
    folder: str,
    out: Path,
    thresholds: Mapping[str, float],
    tta: bool = False,
) -> dict[str, Any] | None:
    """Predict the images whose masks are not there yet, then write the report of all of them.

    In an initialised process group every process takes its part of the images. May be interrupted
    and called again at any time.

    Args:
        cfg (Config): Config of the model.
        checkpoint (str | Path): Its weights.
        images (Mapping[str, str]): Name of the mask by path of the image.
        folder (str): Folder of the images.
        out (Path): Where to write; of this run alone.
        thresholds (Mapping[str, float]): Threshold by class.
        tta (bool): Whether to average over the views of ``cfg.tta_pipeline``.

    Returns:
        dict[str, Any] | None: The report, in the main process.

    Raises:
        FileExistsError: If ``out`` holds anything that is not of this run.
        ValueError: If the config lacks what ``tta`` needs.
    """
    reduce_zero_label = DATASETS.build(_dataset(cfg, folder, '', None, True)).reduce_zero_label
    cfg = _test_config(cfg, folder, tta)
    claim_folder(
        out,
        {
            'version': __version__,
            'checkpoint_sha256': sha256(checkpoint),
            'model_sha256': sha256_of(repr((cfg.model.to_dict(), _pipeline(cfg)))),
            'images_sha256': sha256_of('\n'.join(sorted(images.values()))),
            'reduce_zero_label': reduce_zero_label,
            'tta': tta,
            'thresholds': dict(thresholds),
        },
    )
    # One process looks, or they would see different files of each other.
    pending = [[path for path, name in images.items() if not _mask(out, name).is_file()]]
    broadcast_object_list(pending)
    if pending[0]:
        cfg.load_from, cfg.resume = str(checkpoint), False
        cfg.work_dir = str(out / 'logs')
        cfg.test_dataloader.dataset.update(images=[str(Path(p).absolute()) for p in pending[0]])
        cfg.test_evaluator = dict(
            type='PseudoLabelWriter',
            names={str(Path(p).absolute()): images[p] for p in pending[0]},
            folder=str(out / MASKS),
            thresholds=list(thresholds.values()),
        )
        Runner.from_cfg(cfg).test()
    barrier()
    if not is_main_process():
        return None
    report = make_report(out, list(images.values()), thresholds)
    table = io.StringIO()
    writer = csv.DictWriter(table, CSV_HEADER, lineterminator='\n')
    writer.writeheader()
    writer.writerows({'class': name, **row} for name, row in report['classes'].items())
    write_file(out / 'report.csv', table.getvalue())
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
        with Image.open(_mask(out, name)) as image:
            predicted += np.array(json.loads(image.text[PREDICTED]))
            kept += np.bincount(np.asarray(image).ravel(), minlength=IGNORE_INDEX + 1)
    manifest = json.loads((out / MANIFEST).read_text(encoding='utf-8'))
    if manifest.get('reduce_zero_label'):
        kept = np.roll(kept, -1)
    kept = kept[: len(thresholds)]
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
        'images': len(names),
        'pixels': int(predicted.sum()),
        'coverage': round(float(kept.sum() / predicted.sum()), 6),
        'classes': rows,
    }


def _mask(out: Path, name: str) -> Path:
    return out / MASKS / f'{name}.png'


def _dataset(
    cfg: Config, folder: str, image_list: str, suffix: str | None, lazy_init: bool = False
) -> dict[str, Any]:
    return dict(
        type='UnlabeledDataset',
        like=cfg.test_dataloader.dataset.to_dict(),
        data_prefix=dict(img_path=folder),
        ann_file=image_list,
        img_suffix=suffix,
        lazy_init=lazy_init,
    )


def _test_config(cfg: Config, folder: str, tta: bool) -> Config:
    """Return a config whose test predicts unlabelled images."""
    missing = [key for key in ('tta_model', 'tta_pipeline') if tta and key not in cfg]
    if missing:
        raise ValueError(f'--tta needs {" and ".join(missing)} in the config')
    cfg = copy.deepcopy(cfg)
    pipeline = cfg.tta_pipeline if tta else cfg.test_dataloader.dataset.pipeline
    dataset = {**_dataset(cfg, folder, '', None), 'pipeline': _without_masks(pipeline)}
    del dataset['ann_file']
    cfg.test_dataloader.dataset = dataset
    for mode in ('train', 'val'):
        cfg[f'{mode}_dataloader'] = cfg[f'{mode}_cfg'] = None
    cfg.val_evaluator = cfg.optim_wrapper = cfg.param_scheduler = None
    cfg.test_cfg = dict(type='TestLoop')
    if tta:
        cfg.model = dict(type='ScoreTTAModel', module=cfg.model)
    # A checkpoint of another model must not label anything, whatever hooks the training had.
    cfg.custom_hooks = [
        dict(type='CheckSetupHook'),
        dict(type='ProgressBarHook', title='pseudo-labels'),
    ]
    # Processes that share the work need no wrapper: nothing is trained.
    cfg.launcher = 'none'
    return cfg


def _pipeline(cfg: Config) -> Any:
    return cfg.test_dataloader.dataset.to_dict()['pipeline']


def _without_masks(node: Any) -> Any:
    """Leave the loading of masks out of a pipeline, however deep."""
    if isinstance(node, Mapping):
        return {key: _without_masks(value) for key, value in node.items()}
    if not isinstance(node, list | tuple):
        return node
    kept = [
        _without_masks(each)
        for each in node
        if not (isinstance(each, Mapping) and each.get('type') == 'LoadAnnotations')
    ]
    # Of a list of alternatives, such as TestTimeAug has, nothing may be left. A size stays a tuple.
    return type(node)(each for each in kept if each != [])
