"""The stages of semi-supervised training with contrastive pretraining."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS

from ..datasets.files import write_file
from ..engine.hooks.check_setup_hook import check_same_config
from .cli import check_data
from .compare import read_result
from .launch import RunTool
from .overrides import read_config
from .pseudo_label import MASKS, LabelRule, check_views, unlabeled_images
from .run_folder import MANIFEST, claim_folder, locked

TRAINED = ('pretrain', 'finetune', 'semi_pretrain', 'semi_finetune')
PRETRAINED = TRAINED[::2]
LABELS = 'pseudo_labels'


@dataclass(frozen=True)
class Chain:
    """What a chain config names.

    Attributes:
        configs (Mapping[str, Path]): Config of each stage of :data:`TRAINED`.
        rule (LabelRule): Which predictions become pseudo-labels.
    """

    configs: Mapping[str, Path]
    rule: LabelRule


def read_chain(path: Path) -> Chain:
    """Read a chain config: a path for each stage, relative to it, and ``pseudo_label``.

    Args:
        path (Path): The config.

    Raises:
        ValueError: If it lacks a stage, or ``pseudo_label`` is no :class:`LabelRule`.
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
    try:
        rule = LabelRule(**cfg.pseudo_label)
    except TypeError as error:
        raise ValueError(f'pseudo_label of {path}: {error}') from error
    return Chain(configs, rule)


def load_stages(
    chain: Chain, options: Mapping[str, Any], pretrain_options: Mapping[str, Any]
) -> dict[str, Config]:
    """Read the config of each stage, with changes, and try what would stop a later stage.

    Args:
        chain (Chain): The stages.
        options (Mapping[str, Any]): Changes of the configs of all stages.
        pretrain_options (Mapping[str, Any]): Changes of those of the pretraining stages alone.

    Returns:
        dict[str, Config]: Config by stage.

    Raises:
        KeyError: If a changed key is none of a config.
        ValueError: If the model or the data of a stage cannot be built, a threshold is none, or the views
            of ``tta`` are missing.
        OSError: If a folder, a list or an image is not there.
    """
    init_default_scope('mmseg')
    stages = {}
    for stage, path in chain.configs.items():
        changes = {**options, **(pretrain_options if stage in PRETRAINED else {})}
        try:
            stages[stage] = read_config(path, changes, stage)
        except (KeyError, ValueError) as error:
            raise type(error)(
                f'{error.args[0]}; what the pretraining alone has is changed by --pretrain-options'
            ) from error
    for stage, cfg in stages.items():
        trial = copy.deepcopy(cfg)
        sources = trial.train_dataloader.dataset
        if stage in TRAINED[2:]:
            sources.datasets[1].data_prefix.seg_map_path = None  # masks that are still to be made
        check_data(trial, ('train_dataloader', 'val_dataloader'))
        try:
            MODELS.build(trial.model)
            DATASETS.build(sources)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f'{stage} cannot be built: {" ".join(str(error).split())}; what the pretraining '
                'alone has is changed by --pretrain-options'
            ) from error
    _thresholds(chain, stages)
    if chain.rule.tta:
        check_views(stages['finetune'])
    return stages


def run_chain(
    chain: Chain,
    work_dir: Path,
    run_tool: RunTool,
    options: Mapping[str, Any] | None = None,
    pretrain_options: Mapping[str, Any] | None = None,
) -> dict[str, float]:
    """Run each stage that is not finished, and return the results.

    Pretraining and fine-tuning on labels; pseudo-labels; both again on labels and pseudo-labels.
    Source: Zhao et al. (ICCV 2021), section 4.2. The second pretraining starts from scratch, or, if
    its config has a ``load_from``, from the weights of the first fine-tuning. The configs of stages
    that have not begun may change from one call to the next.

    Args:
        chain (Chain): The stages.
        work_dir (Path): Folder of the whole chain, with a folder for each stage, and their configs
            in ``configs``.
        run_tool (RunTool): Runs a tool.
        options (Mapping[str, Any], optional): Changes of the configs of all trained stages.
        pretrain_options (Mapping[str, Any], optional): Changes of the pretraining stages alone.

    Returns:
        dict[str, float]: mIoU (%) on val at the end of each fine-tuning.

    Raises:
        FileExistsError: If the folder belongs to another run, or a stage was begun with another
            config.
        BlockingIOError: If another process runs a chain in this folder.
        ValueError: If a stage cannot be built; others as :func:`load_stages`.
    """
    options, pretrain_options = options or {}, pretrain_options or {}
    stages = load_stages(chain, options, pretrain_options)
    begins = dict(zip(TRAINED[1::2], PRETRAINED, strict=True))
    # A changed one is a checkpoint from outside of the chain.
    changed = 'load_from' in options or 'load_from' in pretrain_options
    if stages['semi_pretrain'].get('load_from') is not None and not changed:
        begins['semi_pretrain'] = 'finetune'
    claim_folder(work_dir, {'tool': 'train_label_efficient'})
    with locked(work_dir):
        _write_configs(chain, stages, begins, work_dir)
        results = {}
        for first, second in (TRAINED[:2], TRAINED[2:]):
            if first == 'semi_pretrain':
                _label(chain, stages, work_dir, run_tool)
            _train(first, stages, work_dir, run_tool)
            end = _train(second, stages, work_dir, run_tool)
            results[second] = _score(second, work_dir, end, run_tool)
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


def _write_configs(
    chain: Chain, stages: Mapping[str, Config], begins: Mapping[str, str], work_dir: Path
) -> None:
    """Write the config of each stage; refuse another than the one that a stage was begun with.

    Args:
        chain (Chain): The stages.
        stages (Mapping[str, Config]): Config by stage.
        begins (Mapping[str, str]): The stage with whose weights a stage begins; others begin from scratch.
        work_dir (Path): Folder of the whole chain.
    """
    manifest = work_dir / LABELS / MANIFEST
    if manifest.is_file():
        old = json.loads(manifest.read_text(encoding='utf-8'))
        rule = chain.rule
        new = dict(thresholds=_thresholds(chain, stages), keep_ratio=rule.keep_ratio, tta=rule.tta)
        for key, value in new.items():
            if old.get(key) != value:
                raise FileExistsError(
                    f'the masks in {manifest.parent} have the {key} {old.get(key)}, and now it is '
                    f'{value}: choose another work-dir'
                )
    for stage, cfg in stages.items():
        cfg = copy.deepcopy(cfg)
        # Absolute, so that it does not matter from where the tools are started.
        root = work_dir.absolute()
        places = {}
        if stage in begins:
            begin = begins[stage]
            places['load_from'] = str(root / begin / f'iter_{_iterations(stages[begin])}.pth')
        if stage in TRAINED[2:]:
            place = 'train_dataloader.dataset.datasets.1.data_prefix.seg_map_path'
            places[place] = str(root / LABELS / MASKS)
        cfg.merge_from_dict(places)
        path = _config(stage, work_dir)
        if (work_dir / stage).exists() and path.is_file():
            begun = Config.fromfile(path)
            # The folder may have been moved; what began from scratch stays so.
            begun.merge_from_dict(
                {place: new for place, new in places.items() if begun.get(place, new) is not None}
            )
            for problem in check_same_config(begun.to_dict(), cfg.to_dict(), stage, skip=()):
                raise FileExistsError(
                    f'{work_dir} belongs to another run, {problem.place}: {problem.what}; choose '
                    'another work-dir, or delete this one'
                )
        if not path.is_file() or path.read_text(encoding='utf-8') != cfg.pretty_text:
            write_file(path, cfg.pretty_text)


def _thresholds(chain: Chain, stages: Mapping[str, Config]) -> dict[str, float]:
    """Return the threshold of each class, and find the images on the way."""
    return chain.rule.thresholds(
        unlabeled_images(stages['finetune'], *_unlabeled(stages))['classes']
    )


def _unlabeled(stages: Mapping[str, Config]) -> tuple[str, str, str]:
    """Return folder, list and suffix of the images that the second half adds."""
    source = stages['semi_finetune'].train_dataloader.dataset.datasets[1]
    unlabeled = DATASETS.build({**source, 'pipeline': [], 'lazy_init': True})
    return unlabeled.data_prefix['img_path'], unlabeled.ann_file, unlabeled.img_suffix


def _config(stage: str, work_dir: Path) -> Path:
    return work_dir / 'configs' / f'{stage}.py'


def _iterations(cfg: Config) -> int:
    return cfg.train_cfg.max_iters


def _train(stage: str, stages: Mapping[str, Config], work_dir: Path, run_tool: RunTool) -> Path:
    """Train a stage, or go on with it; return its last checkpoint."""
    folder, iterations = work_dir / stage, _iterations(stages[stage])
    if last_checkpoint(folder, iterations) is None:
        config = _config(stage, work_dir)
        run_tool('train.py', str(config), '--work-dir', str(folder), '--resume')
    found = last_checkpoint(folder, iterations)
    if found is None:
        raise RuntimeError(f'{stage} ended without a checkpoint of iteration {iterations}')
    return found


def _label(chain: Chain, stages: Mapping[str, Config], work_dir: Path, run_tool: RunTool) -> None:
    """Write the pseudo-labels that the second half of the chain trains on."""
    out = work_dir / LABELS
    if (out / 'report.json').is_file():
        return
    folder, listed, suffix = _unlabeled(stages)
    rule = chain.rule
    arguments = [
        str(_config('finetune', work_dir)),
        str(last_checkpoint(work_dir / 'finetune', _iterations(stages['finetune']))),
        f'--images={folder}',
        f'--list={listed}',
        f'--image-suffix={suffix}',
        f'--out={out}',
        f'--threshold={rule.threshold}',
        *([] if rule.keep_ratio is None else [f'--keep-ratio={rule.keep_ratio}']),
        *(['--tta'] if rule.tta else []),
    ]
    scores = [f'{name}={score}' for name, score in rule.class_thresholds.items()]
    run_tool('pseudo_label.py', *arguments, *(['--class-threshold', *scores] if scores else []))


def _score(stage: str, work_dir: Path, checkpoint: Path, run_tool: RunTool) -> float:
    """Return the mIoU of a stage's last validation, which a kill may have left out."""
    folder = work_dir / stage
    iteration = int(checkpoint.stem.removeprefix('iter_'))
    result = read_result(folder, stage, 0, iteration)
    if result is not None:
        return result.scores['student']
    out = folder / 'test'
    run_tool('test.py', str(_config(stage, work_dir)), str(checkpoint), f'--work-dir={out}')
    written = max(out.glob('*/*.json'))
    return json.loads(written.read_text(encoding='utf-8'))['mIoU']
