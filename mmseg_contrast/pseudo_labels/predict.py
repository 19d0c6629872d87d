"""Running the test of a config over images without masks."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.registry import DATASETS

from ..datasets.files import classes_of_ids


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


def prediction_config(cfg: Config, folder: str, tta: bool) -> Config:
    """Return a config whose test predicts images without masks.

    Args:
        cfg (Config): Config of the model.
        folder (str): Folder of the images.
        tta (bool): Whether a prediction is the mean over the views of ``tta_pipeline``.

    Raises:
        ValueError: If the config lacks what ``tta`` needs.
    """
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


def without_masks(node: Any) -> Any:
    """Leave the loading of masks out of a pipeline, however deep.

    Args:
        node (Any): The pipeline, or a part of it.
    """
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


def predict(
    cfg: Config, images: Sequence[str], metric: Mapping[str, Any], title: str
) -> dict[str, float]:
    """Hand the predictions of the images to a metric, and return what it says.

    Args:
        cfg (Config): What :func:`prediction_config` returns.
        images (Sequence[str]): Paths of the images.
        metric (Mapping): Config of the metric.
        title (str): Name of the run, beside its progress bar.
    """
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
