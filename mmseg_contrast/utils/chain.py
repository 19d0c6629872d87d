"""The stages of semi-supervised training with contrastive pretraining."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmseg.registry import DATASETS

from ..datasets.files import sha256_of, write_file
from .compare import read_result
from .run_folder import claim_folder

TRAINED = ('pretrain', 'finetune', 'semi_pretrain', 'semi_finetune')
#: Runs a tool of ``tools/`` with its arguments, and raises if it fails.
RunTool = Callable[..., None]


@dataclass(frozen=True)
class Chain:
    """What a chain config names.

    Attributes:
        configs (Mapping[str, Path]): Config of each stage of :data:`TRAINED`.
        threshold (float): Score that a pseudo-label exceeds.
        class_thresholds (Mapping[str, float]): Thresholds of single classes, by name.
    """

    configs: Mapping[str, Path]
    threshold: float
    class_thresholds: Mapping[str, float]


def read_chain(path: Path) -> Chain:
    """Read a chain config: a path for each stage, relative to it, and ``pseudo_label``.

    Args:
        path (Path): The config.

    Raises:
        ValueError: If it lacks a stage.
        FileNotFoundError: If the config or that of a stage is not there.
    """
    if not path.is_file():
        raise FileNotFoundError(f'there is no config {path}: give the path of a .py file')
    cfg = Config.fromfile(path)
    missing = [key for key in (*TRAINED, 'pseudo_label') if key not in cfg]
    if missing:
        raise ValueError(
            f'{path} lacks {", ".join(missing)}: give a chain config, such as '
            'configs/label_efficient/chain_mosaic.py'
        )
    configs = {stage: path.parent / cfg[stage] for stage in TRAINED}
    for stage, each in configs.items():
        if not each.is_file():
            raise FileNotFoundError(f'{stage} of {path} is {each}, which does not exist')
    labels = cfg.pseudo_label
    return Chain(configs, labels.get('threshold', 0.8), dict(labels.get('class_thresholds', {})))


def run_chain(
    chain: Chain, work_dir: Path, options: Mapping[str, Any], run_tool: RunTool
) -> dict[str, float]:
    """Run each stage that is not finished, and return the results.

    Pretraining and fine-tuning on labels; pseudo-labels; both again on labels and pseudo-labels.
    Source: Zhao et al. (ICCV 2021), section 4.2. The second pretraining starts from scratch.

    Args:
        chain (Chain): The stages.
        work_dir (Path): Folder of the whole chain, with a folder for each stage.
        options (Mapping[str, Any]): Changes of the configs of all trained stages.
        run_tool (RunTool): Runs a tool.

    Returns:
        dict[str, float]: mIoU (%) on val at the end of each fine-tuning.

    Raises:
        FileExistsError: If the folder belongs to another chain, or to this one with other options.
    """
    texts = {stage: _load(path, options).to_dict() for stage, path in chain.configs.items()}
    claim_folder(
        work_dir,
        {
            'configs_sha256': {stage: sha256_of(repr(text)) for stage, text in texts.items()},
            'thresholds': [chain.threshold, dict(chain.class_thresholds)],
        },
    )
    masks = work_dir / 'pseudo_labels'
    results = {}
    for first, second in (TRAINED[:2], TRAINED[2:]):
        extra = {}
        if first == 'semi_pretrain':
            _label(chain, work_dir, masks, options, run_tool)
            place = 'train_dataloader.dataset.datasets.1.data_prefix.seg_map_path'
            extra = {place: str((masks / 'masks').absolute())}
        start = _train(chain, first, work_dir, {**options, **extra}, run_tool)
        extra['load_from'] = str(start)
        end = _train(chain, second, work_dir, {**options, **extra}, run_tool)
        results[second] = _score(chain, second, work_dir, end, run_tool)
    write_file(work_dir / 'results.json', json.dumps(results, indent=2) + '\n')
    return results


def last_checkpoint(folder: Path, iterations: int) -> Path | None:
    """Return the checkpoint of the last iteration, or None where a training has not ended.

    Args:
        folder (Path): Work folder of the training.
        iterations (int): Its length.
    """
    pointer = folder / 'last_checkpoint'
    name = f'iter_{iterations}.pth'
    # Written after the checkpoint, so that one which is named is whole.
    if pointer.is_file() and Path(pointer.read_text(encoding='utf-8').strip()).name == name:
        return folder / name
    return None


def _load(path: Path, options: Mapping[str, Any]) -> Config:
    cfg = Config.fromfile(path)
    cfg.merge_from_dict(dict(options))
    return cfg


def _train(
    chain: Chain, stage: str, work_dir: Path, options: Mapping[str, Any], run_tool: RunTool
) -> Path:
    """Train a stage, or go on with it; return its last checkpoint."""
    config, folder = chain.configs[stage], work_dir / stage
    iterations = _load(config, options).train_cfg.max_iters
    found = last_checkpoint(folder, iterations)
    if found is None:
        changes = [f'{key}={value}' for key, value in options.items()]
        arguments = [str(config), '--work-dir', str(folder), '--resume']
        run_tool('train.py', *arguments, *(['--cfg-options', *changes] if changes else []))
        found = last_checkpoint(folder, iterations)
    if found is None:
        raise RuntimeError(f'{stage} ended without a checkpoint of iteration {iterations}')
    return found


def _label(
    chain: Chain, work_dir: Path, out: Path, options: Mapping[str, Any], run_tool: RunTool
) -> None:
    """Write the pseudo-labels that the second half of the chain trains on."""
    if (out / 'report.json').is_file():
        return
    datasets = _load(chain.configs['semi_finetune'], options).train_dataloader.dataset.datasets
    unlabeled = DATASETS.build({**datasets[1], 'pipeline': [], 'lazy_init': True})
    folder = work_dir / 'finetune'
    iterations = _load(chain.configs['finetune'], options).train_cfg.max_iters
    arguments = [
        str(_written_config(chain, 'finetune', folder)),
        str(last_checkpoint(folder, iterations)),
        f'--images={unlabeled.data_prefix["img_path"]}',
        f'--list={unlabeled.ann_file}',
        f'--image-suffix={unlabeled.img_suffix}',
        f'--out={out}',
        f'--threshold={chain.threshold}',
    ]
    scores = [f'{name}={score}' for name, score in chain.class_thresholds.items()]
    run_tool('pseudo_label.py', *arguments, *(['--class-threshold', *scores] if scores else []))


def _score(chain: Chain, stage: str, work_dir: Path, checkpoint: Path, run_tool: RunTool) -> float:
    """Return the mIoU of a stage's last validation, which a kill may have left out."""
    folder = work_dir / stage
    iteration = int(checkpoint.stem.removeprefix('iter_'))
    result = read_result(folder, stage, 0, iteration)
    if result is not None:
        return result.scores['student']
    out = folder / 'test'
    config = _written_config(chain, stage, folder)
    run_tool('test.py', str(config), str(checkpoint), f'--work-dir={out}')
    written = max(out.glob('*/*.json'))
    return json.loads(written.read_text(encoding='utf-8'))['mIoU']


def _written_config(chain: Chain, stage: str, folder: Path) -> Path:
    # As the runner wrote it, with all changes.
    return folder / chain.configs[stage].name
