"""The runs of a comparison: which they are, their folders, and whether what is there is theirs."""

from __future__ import annotations

import copy
import hashlib
import inspect
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.registry import DATASETS

from ..files import sha256_of
from ..run_folder import first_difference, read_manifest
from .cli import leaf_datasets

PACKAGE = Path(__file__).parents[1]
CODE = 'code'
# A list of fold 0 is called NAME.0@1by8.txt, or NAME.0@1by8-unlabeled.txt.
FOLD = re.compile(r'\.\d+@(?=[^/]*$)')
# What MMEngine reads from a config beside the arguments of its runner, and a result depends on.
_BESIDE_RUNNER = {'custom_imports', 'efficient_conv_bn_eval', 'find_unused_parameters', 'sync_bn'}
# What the runner reads, and the validation of a run does not depend on.
_NO_MATTER = {
    'env_cfg',
    'experiment_name',
    'launcher',
    'log_level',
    'log_processor',
    'resume',
    'test_cfg',
    'test_dataloader',
    'test_evaluator',
    'visualizer',
    'work_dir',
}
_NO_MATTER_BELOW = {
    'default_hooks': {'checkpoint', 'logger', 'report', 'timer', 'visualization'},
    'train_dataloader': {'persistent_workers', 'pin_memory', 'prefetch_factor'},
    'val_dataloader': {'num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor'},
}


@dataclass(frozen=True)
class Run:
    """One training of a comparison.

    Attributes:
        name (str): Name of its config in the table.
        seed (int): Seed.
        fold (int | None): Fold of the label lists; None for those that the config names.
        cfg (Config): The config with all changes, seed and fold in it.
        folder (Path): Its work folder.
        manifest (Mapping[str, Any]): What its result depends on, as :func:`describe` says it.
    """

    name: str
    seed: int
    fold: int | None
    cfg: Config
    folder: Path
    manifest: Mapping[str, Any]

    @property
    def config(self) -> Path:
        """The file, beside the folder, that holds the config with all changes."""
        return self.folder.with_name(f'{self.folder.name}.py')

    @property
    def iterations(self) -> int:
        """Its length."""
        return self.cfg.train_cfg.max_iters

    def __str__(self) -> str:
        fold = '' if self.fold is None else f', fold {self.fold}'
        return f'{self.name}{fold}, seed {self.seed}'


def short_names(paths: Sequence[Path], parts: int = 1) -> list[str]:
    """Return the shortest ends of paths that tell them apart, without the suffix ``.py``.

    Args:
        paths (Sequence[Path]): Absolute paths that differ.
        parts (int): Parts of a path that a name has at least. Defaults to 1: the name of the file.
    """
    return [_short(path, [other for other in paths if other != path], parts) for path in paths]


def _short(path: Path, others: Sequence[Path], parts: int) -> str:
    while parts < len(path.parts) and any(o.parts[-parts:] == path.parts[-parts:] for o in others):
        parts += 1
    end = Path(*path.parts[-parts:])
    return (end.with_suffix('') if end.suffix == '.py' else end).as_posix().lstrip('/')


def with_fold(cfg: Config, fold: int, name: str) -> Config:
    """Return a config that trains on the lists of another fold.

    Args:
        cfg (Config): The config; it stays as it is.
        fold (int): The fold.
        name (str): Name of the config, for messages.

    Raises:
        ValueError: If the config trains on no list of a fold.
        FileNotFoundError: If there is no list of this fold.
    """
    cfg = copy.deepcopy(cfg)
    found = False
    for dataset in leaf_datasets(cfg.train_dataloader.dataset):
        listed = dataset.get('ann_file') or ''
        if not FOLD.search(listed):
            continue
        found = True
        dataset.ann_file = FOLD.sub(f'.{fold}@', listed)
        path = list_path(dataset)
        if not path.is_file():
            raise FileNotFoundError(
                f'there is no list {path} for fold {fold} of {name}: make it with '
                f'tools/misc/split_dataset.py --fold {fold}, or leave the fold out'
            )
    if not found:
        raise ValueError(
            f'{name} trains on no list of a fold, such as data_lists/camvid/camvid.0@1by8.txt: '
            'leave out --folds'
        )
    return cfg


def list_path(dataset: Mapping[str, Any]) -> Path:
    """Return the path of a data set's list, as the data set itself finds it.

    Args:
        dataset (Mapping[str, Any]): Config of the data set, with an ``ann_file``.
    """
    return Path(dataset.get('data_root') or '', dataset['ann_file'])


def describe(cfg: Config, processes: int) -> dict[str, Any]:
    """Return what the validation of a run depends on: config, files that it names, images and masks.

    Args:
        cfg (Config): The config with all changes.
        processes (int): Number of processes that train.

    Returns:
        dict[str, Any]: Values by dotted key, as JSON gives them back; files with their SHA-256.
    """
    read = {*inspect.signature(Runner.__init__).parameters, *_BESIDE_RUNNER} - _NO_MATTER
    found: dict[str, Any] = {'processes': processes}
    for key in sorted(read & set(cfg)):
        value = cfg[key]
        if key in _NO_MATTER_BELOW and isinstance(value, Mapping):
            value = {k: v for k, v in value.items() if k not in _NO_MATTER_BELOW[key]}
        found.update(flatten(value, key))
    for loader in ('train_dataloader', 'val_dataloader'):
        for index, dataset in enumerate(leaf_datasets((cfg.get(loader) or {}).get('dataset'))):
            found[f'{loader}: files of data set {index}'] = describe_files(dataset)
    return json.loads(json.dumps(found, default=_name))


def flatten(node: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Yield the values of a config by dotted key; a path of a file with the SHA-256 of its content.

    Args:
        node (Any): A part of a config.
        place (str): Its own key.
    """
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from flatten(value, f'{place}.{key}')
    elif isinstance(node, list | tuple) and any(isinstance(v, Mapping | list) for v in node):
        for index, value in enumerate(node):
            yield from flatten(value, f'{place}.{index}')
    elif isinstance(node, str) and os.path.isfile(node):
        yield place, f'{node} (SHA-256 {sha256_of(Path(node))[:12]})'
    else:
        yield place, node


def describe_files(dataset: Mapping[str, Any]) -> str:
    """Say how many images a data set has, and hash the paths and sizes of images and masks.

    Args:
        dataset (Mapping[str, Any]): Config of the data set.
    """
    infos = DATASETS.build({**dataset, 'pipeline': [], 'lazy_init': True}).load_data_list()
    lines = [
        f'{path} {os.path.getsize(path) if os.path.isfile(path) else None}'
        for info in infos
        for path in (info.get('img_path'), info.get('seg_map_path'))
        if path
    ]
    return f'{len(infos)} images (SHA-256 {sha256_of(chr(10).join(lines))[:12]})'


def hash_code() -> str:
    """Hash the source of this package."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob('*.py')):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def why_not(run: Run) -> str | None:
    """Say why what is in a run's folder is another run's, or return None where it is its own.

    Args:
        run (Run): The run.
    """
    try:
        old = read_manifest(run.folder)
    except FileExistsError as error:
        return str(error)
    if old is None:
        return None
    difference = first_difference({**old, CODE: None}, run.manifest)
    return f'{run.folder} belongs to another run: {difference}' if difference else None


def is_of_other_code(run: Run) -> bool:
    """Tell whether a run was begun with another version of this package.

    Args:
        run (Run): The run, whose folder is its own.
    """
    old = read_manifest(run.folder)
    return old is not None and old.get(CODE) != hash_code()


def _name(value: Any) -> str:
    return getattr(value, '__qualname__', None) or repr(value)
