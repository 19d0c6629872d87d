"""Masks for unlabelled images from the confident predictions of a trained model."""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dist import barrier, broadcast_object_list, is_main_process
from mmengine.runner import Runner
from mmseg.registry import DATASETS
from PIL import Image

from ..datasets.files import classes_of_ids, ids_of_classes
from ..files import sha256_of, write_csv, write_file
from ..run_folder import MANIFEST, claim_folder
from ..structures.pixel_targets import IGNORE_INDEX
from ..version import __version__
from .pseudo_label_writer import PREDICTED

MASKS = 'masks'
THRESHOLDS = 'thresholds.json'
DEFAULT_THRESHOLD = 0.8


@dataclass(frozen=True)
class LabelRule:
    """Which predictions become labels: those above a threshold, and of each class at least a share.

    Attributes:
        threshold (float): Score that a prediction exceeds, in [0, 1).
        class_thresholds (Mapping[str, float]): Thresholds of single classes, by name, in [0, 1).
        keep_ratio (float, optional): Share of the pixels predicted as a class that is kept at least, in
            (0, 1]: the threshold of a class which fewer exceed is lowered to that of
            :func:`mmseg_contrast.pseudo_labels.balanced_thresholds`.
        tta (bool): Whether a score is the mean over the views of ``tta_pipeline``.

    Raises:
        ValueError: If the ratio is none.
    """

    threshold: float = DEFAULT_THRESHOLD
    class_thresholds: Mapping[str, float] = field(default_factory=dict)
    keep_ratio: float | None = None
    tta: bool = False

    def __post_init__(self) -> None:
        if self.keep_ratio is not None and not 0 < self.keep_ratio <= 1:
            raise ValueError(f'keep_ratio={self.keep_ratio} is no share: give one in (0, 1]')

    def thresholds(self, classes: Sequence[str]) -> dict[str, float]:
        """Put together the threshold of each class, before ``keep_ratio`` lowers it.

        Args:
            classes (Sequence[str]): Class names.

        Raises:
            ValueError: If a name is no class, or a threshold not in [0, 1).
        """
        for name in self.class_thresholds:
            if name not in classes:
                near = difflib.get_close_matches(name, classes, n=1)
                hint = (
                    f'did you mean {near[0]!r}?'
                    if near
                    else f'the classes are {", ".join(classes)}'
                )
                raise ValueError(f'there is no class {name!r} to give a threshold; {hint}')
        thresholds = {name: self.class_thresholds.get(name, self.threshold) for name in classes}
        for name, value in thresholds.items():
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


def stored_classes(cfg: Config) -> np.ndarray:
    """Say which class each id is in the masks of a config's test data.

    Args:
        cfg (Config): Config of the model.

    Returns:
        np.ndarray: What :func:`mmseg_contrast.datasets.files.classes_of_ids` returns.
    """
    dataset = DATASETS.build(_dataset(cfg, '', '', None, lazy_init=True))
    return classes_of_ids(dataset.reduce_zero_label, dataset.label_map)


def check_views(cfg: Config) -> None:
    """Check that a config has what test-time augmentation needs.

    Args:
        cfg (Config): Config of the model.

    Raises:
        ValueError: If it lacks ``tta_model`` or ``tta_pipeline``.
    """
    missing = [key for key in ('tta_model', 'tta_pipeline') if key not in cfg]
    if missing:
        raise ValueError(f'tta needs {" and ".join(missing)} in {cfg.filename}')


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
    cfg = _test_config(cfg, folder, rule.tta)
    claim_folder(
        out,
        {
            'version': __version__,
            'checkpoint_sha256': sha256_of(Path(checkpoint)),
            'model_sha256': sha256_of(repr((cfg.model.to_dict(), _pipeline(cfg)))),
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
        _predict(cfg, pending[0], writer, 'pseudo-labels')
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
    """Return the path of the mask of an image in the folder of a run."""
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
        measured = _predict(cfg, images, meter, 'thresholds')
        found[0] = {
            name: min(value, measured[f'threshold/{name}']) for name, value in thresholds.items()
        }
        if is_main_process():
            write_file(path, json.dumps(found[0], indent=2) + '\n')
    return found[0]


def _predict(
    cfg: Config, images: Sequence[str], metric: Mapping[str, Any], title: str
) -> dict[str, float]:
    """Hand the predictions of the images to a metric, and return what it says."""
    cfg = copy.deepcopy(cfg)
    cfg.test_dataloader.dataset.update(images=[str(Path(path).absolute()) for path in images])
    cfg.test_evaluator = dict(metric)
    cfg.experiment_name = title  # MMEngine tells two runs of one second apart by it
    # A checkpoint of another model must not label anything, whatever hooks the training had.
    cfg.default_hooks = dict(
        cfg.get('default_hooks') or {}, check_setup=dict(type='CheckSetupHook')
    )
    cfg.custom_hooks = [dict(type='ProgressBarHook', title=title)]
    return Runner.from_cfg(cfg).test()


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
    if tta:
        check_views(cfg)
    cfg = copy.deepcopy(cfg)
    pipeline = cfg.tta_pipeline if tta else cfg.test_dataloader.dataset.pipeline
    dataset = {**_dataset(cfg, folder, '', None), 'pipeline': without_masks(pipeline)}
    del dataset['ann_file']
    cfg.test_dataloader.dataset = dataset
    for mode in ('train', 'val'):
        cfg[f'{mode}_dataloader'] = cfg[f'{mode}_cfg'] = None
    cfg.val_evaluator = cfg.optim_wrapper = cfg.param_scheduler = None
    cfg.test_cfg = dict(type='TestLoop')
    if tta:
        cfg.model = dict(type='ScoreTTAModel', module=cfg.model)
    # No image twice where they do not divide evenly among the processes.
    cfg.test_dataloader.sampler = dict(type='DefaultSampler', shuffle=False, round_up=False)
    # Processes that share the work need no wrapper: nothing is trained.
    cfg.launcher = 'none'
    return cfg


def _pipeline(cfg: Config) -> Any:
    return cfg.test_dataloader.dataset.to_dict()['pipeline']


def without_masks(node: Any) -> Any:
    """Leave the loading of masks out of a pipeline, however deep."""
    if isinstance(node, Mapping):
        return {key: without_masks(value) for key, value in node.items()}
    if not isinstance(node, list | tuple):
        return node
    kept = [
        without_masks(each)
        for each in node
        if not (isinstance(each, Mapping) and each.get('type') == 'LoadAnnotations')
    ]
    # Of a list of alternatives, such as TestTimeAug has, nothing may be left. A size stays a tuple.
    return type(node)(each for each in kept if each != [])
