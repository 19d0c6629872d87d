"""The stages of semi-supervised training with contrastive pretraining."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import DATASETS, HOOKS, METRICS, MODELS, PARAM_SCHEDULERS
from torch import nn

from ..engine.checks.resumed_config import check_same_config
from ..files import write_file
from ..pseudo_labels.generate import MASKS
from ..pseudo_labels.label_rule import LabelRule
from ..pseudo_labels.predict import check_views, unlabeled_images
from ..run_folder import MANIFEST, claim_folder, locked
from .checkpoint import latest_checkpoint
from .cli import check_data, check_weights
from .compare import read_result
from .label_lists import draw_lists
from .launch import RunTool
from .overrides import read_config, refuse

TRAINED = ('pretrain', 'finetune', 'semi_pretrain', 'semi_finetune')
PRETRAINED = TRAINED[::2]
FINETUNED = TRAINED[1::2]
LABELS = 'pseudo_labels'
_MASKS = 'train_dataloader.dataset.datasets.1.data_prefix.seg_map_path'
# What the chain sets in a stage, whatever its config says.
_SET_HERE = {
    'work_dir': 'give --work-dir',
    'resume': 'a stage goes on by itself',
    'launcher': 'give --gpus',
}


@dataclass(frozen=True)
class Lengths:
    """How long the classifier is trained, by the number of labels (Zhao et al., section 5.3).

    Attributes:
        many_labels (int): Labels are many above this number.
        finetune (tuple[int, int]): Iterations after a pretraining, with few and with many labels.
        scratch (tuple[int, int]): The same without a pretraining.
        scratch_lr (float): Learning rate without a pretraining.
    """

    many_labels: int
    finetune: tuple[int, int]
    scratch: tuple[int, int]
    scratch_lr: float


@dataclass(frozen=True)
class Request:
    """What a command asks of a chain.

    Attributes:
        options (Mapping[str, Any]): Changes of the configs of all stages; a key that begins with the
            name of a stage, such as ``semi_finetune.batch_size``, of that one alone.
        pretrain_options (Mapping[str, Any]): Changes of the pretraining stages.
        finetune_options (Mapping[str, Any]): Changes of the fine-tuning stages.
        pretraining (bool): Whether the stages of fine-tuning are pretrained. Else they begin from
            scratch.
        labels (str, optional): Number of labelled images to draw, or path of their list. All other
            images are pseudo-labelled. Defaults to None: the lists of the configs.
        fold (int): Number of the draw.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    pretrain_options: Mapping[str, Any] = field(default_factory=dict)
    finetune_options: Mapping[str, Any] = field(default_factory=dict)
    pretraining: bool = True
    labels: str | None = None
    fold: int = 0

    @property
    def halves(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The stages before and after the pseudo-labels."""
        return (TRAINED[:2], TRAINED[2:]) if self.pretraining else (TRAINED[1:2], TRAINED[3:])

    @property
    def stages(self) -> tuple[str, ...]:
        """All stages."""
        return sum(self.halves, ())

    def changes(self, stage: str) -> dict[str, Any]:
        """Return what is asked of a stage; what names it wins over what names its kind, or none.

        Args:
            stage (str): One of :attr:`stages`.

        Raises:
            ValueError: If the chain itself sets a key.
        """
        general = {k: v for k, v in self.options.items() if k.partition('.')[0] not in TRAINED}
        own = {
            key.partition('.')[2]: value
            for key, value in self.options.items()
            if key.partition('.')[0] == stage
        }
        kind = self.pretrain_options if stage in PRETRAINED else self.finetune_options
        changes = {**general, **kind, **own}
        refuse(changes, _SET_HERE, stage)
        if self.pretraining and stage in FINETUNED:
            said = 'a fine-tuning begins with the weights of its pretraining; give --no-pretraining'
            refuse(changes, {'load_from': said}, stage)
        if stage in TRAINED[2:]:
            said = 'these masks are made by the chain'
            refuse(changes, {'pseudo_labels': said, _MASKS: said}, stage)
        return changes


@dataclass(frozen=True)
class Chain:
    """What a chain config names.

    Attributes:
        configs (Mapping[str, Path]): Config of each stage of :data:`TRAINED`.
        rule (LabelRule): Which predictions become pseudo-labels.
        lengths (Lengths, optional): Lengths of the fine-tunings; None: those of the configs, and
            without a pretraining as long as both.
        train_list (str, optional): List of all training images, '' for all of the folder; None: those
            of both lists of the configs.
    """

    configs: Mapping[str, Path]
    rule: LabelRule
    lengths: Lengths | None = None
    train_list: str | None = None


def read_chain(path: Path) -> Chain:
    """Read a chain config: a path for each stage, relative to it, and ``pseudo_label``.

    Args:
        path (Path): The config.

    Raises:
        ValueError: If it lacks a stage, or ``pseudo_label`` is no :class:`LabelRule`.
        FileNotFoundError: If the config or that of a stage is not there.
    """
    cfg = read_config(path)
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
    lengths = Lengths(**cfg.lengths) if 'lengths' in cfg else None
    return Chain(configs, rule, lengths, cfg.get('train_list'))


def load_stages(chain: Chain, request: Request, work_dir: Path) -> dict[str, Config]:
    """Read the config of each stage, with changes, and try what would stop a later stage.

    Args:
        chain (Chain): The stages.
        request (Request): The changes.
        work_dir (Path): Folder of the whole chain, where lists that are drawn are written.

    Returns:
        dict[str, Config]: Config by stage.

    Raises:
        KeyError: If a changed key is none of a config.
        ValueError: If a part of a stage cannot be built, a threshold is none, or the views of ``tta``
            are missing.
        OSError: If a folder, a list, an image or a checkpoint is not there, or the disk is full.
    """
    init_default_scope('mmseg')
    stages = {}
    for stage in request.stages:
        try:
            stages[stage] = read_config(chain.configs[stage], request.changes(stage), stage)
        except (KeyError, ValueError) as error:
            raise type(error)(
                f'{error.args[0]}; a change of one stage alone is given as '
                f'--cfg-options {TRAINED[-1]}.KEY=VALUE or by --pretrain-options, --finetune-options'
            ) from error
    if request.labels is not None:
        _use_lists(chain, request, stages, work_dir)
    _set_lengths(chain, request, stages)
    unknown = [key for key in request.options if key.partition('.')[0] in {*TRAINED} - {*stages}]
    if unknown:
        raise ValueError(
            f'--cfg-options {unknown[0]}: there is no such stage without a pretraining'
        )
    if not request.pretraining and request.pretrain_options:
        raise ValueError('--pretrain-options change nothing without a pretraining: leave them out')
    kept = 0
    for stage, cfg in stages.items():
        try:
            model = try_stage(stage, cfg)
        except OSError:
            raise
        except Exception as error:  # whatever a class of the config raises
            raise ValueError(f'{stage} cannot be built: {" ".join(str(error).split())}') from error
        if last_checkpoint(work_dir / stage, _iterations(cfg)) is None:
            kept += sum(each.nbytes for each in model.state_dict().values())
    free = shutil.disk_usage(_existing(work_dir)).free
    if kept > free:
        raise OSError(
            f'the checkpoints need at least {kept >> 20} MiB, and {free >> 20} MiB are free in '
            f'{work_dir}: free some, or choose another --work-dir'
        )
    _thresholds(chain, stages)
    if chain.rule.tta:
        check_views(stages['finetune'])
    return stages


def try_stage(stage: str, cfg: Config) -> nn.Module:
    """Build all that a training builds, so that nothing of it fails hours later.

    Args:
        stage (str): The stage; pseudo-labels of the second half are still to be made.
        cfg (Config): Its config.

    Returns:
        nn.Module: The model.
    """
    trial = copy.deepcopy(cfg)
    if stage in FINETUNED or stage == 'semi_pretrain':
        trial.load_from = None  # weights of the chain, checked where they come from outside
    check_weights(trial)
    if stage in TRAINED[2:]:
        trial.train_dataloader.dataset.datasets[1].data_prefix.pop('seg_map_path', None)
    loaders = [key for key in ('train_dataloader', 'val_dataloader') if trial.get(key)]
    check_data(trial, (*loaders, 'test_dataloader'))
    for key in loaders:
        loader = {**trial[key], 'num_workers': 0, 'persistent_workers': False}
        loader.pop('prefetch_factor', None)
        Runner.build_dataloader(loader)
    model = MODELS.build(trial.model)
    wrapper = build_optim_wrapper(model, trial.optim_wrapper)
    for scheduler in trial.param_scheduler or []:
        PARAM_SCHEDULERS.build(scheduler, default_args={'optimizer': wrapper})
    # the visualisation needs a visualiser, which the training starts with
    hooks = [hook for key, hook in trial.default_hooks.items() if key != 'visualization']
    for hook in filter(None, [*hooks, *(trial.get('custom_hooks') or [])]):
        HOOKS.build(hook)
    evaluators = trial.get('val_evaluator') or []
    for metric in evaluators if isinstance(evaluators, list) else [evaluators]:
        METRICS.build(metric)
    saved = trial.default_hooks.get('checkpoint') or {'save_last': False}
    if not saved.get('save_last', True) or saved.get('by_epoch', True):
        raise ValueError(
            'default_hooks.checkpoint saves no checkpoint of the last iteration, from which the next '
            'stage begins: set by_epoch=False and save_last=True'
        )
    if _iterations(trial) < 1:
        raise ValueError(f'train_cfg.max_iters={_iterations(trial)}: give 1 or more')
    return model


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    return next(each for each in (folder, *folder.parents) if each.exists())


def _use_lists(
    chain: Chain, request: Request, stages: Mapping[str, Config], work_dir: Path
) -> None:
    """Let all stages train on lists that are drawn, or completed, for this run."""
    source = stages['semi_finetune'].train_dataloader.dataset.datasets
    claim_folder(work_dir, {'tool': 'train_label_efficient'})
    lists = draw_lists(source, request.labels, request.fold, chain.train_list, work_dir / 'lists')
    for cfg in stages.values():
        for dataset, path in zip(cfg.train_dataloader.dataset.datasets, lists):
            dataset.ann_file = str(path.absolute())


def _set_lengths(chain: Chain, request: Request, stages: Mapping[str, Config]) -> None:
    """Set what the number of labels, or the lack of a pretraining, decides and nobody asked for."""
    for half in request.halves:
        stage = half[-1]
        asked, cfg, rule = request.changes(stage), stages[stage], chain.lengths
        if request.pretraining and (request.labels is None or rule is None):
            continue
        if rule is None:
            pretrain = Config.fromfile(chain.configs[PRETRAINED[FINETUNED.index(stage)]])
            iterations = pretrain.train_cfg.max_iters + _iterations(cfg)
        else:
            images = sum(map(_count_images, cfg.train_dataloader.dataset.datasets))
            steps = rule.finetune if request.pretraining else rule.scratch
            iterations = steps[images > rule.many_labels]
        if not any(key in asked for key in ('max_iters', 'train_cfg.max_iters')):
            cfg.train_cfg.max_iters = iterations
            cfg.param_scheduler[-1].end = iterations
        if not request.pretraining:
            cfg.load_from = asked.get('load_from')
            if rule is not None and 'optim_wrapper.optimizer.lr' not in asked:
                cfg.optim_wrapper.optimizer.lr = rule.scratch_lr


def _count_images(source: Mapping[str, Any]) -> int:
    unmasked = {**source, 'pipeline': [], 'data_prefix': {**source['data_prefix']}}
    return len(DATASETS.build(unmasked))


def run_chain(
    chain: Chain,
    work_dir: Path,
    run_tool: RunTool,
    request: Request | None = None,
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
        request (Request, optional): What is asked of the stages. Defaults to None: nothing.

    Returns:
        dict[str, float]: mIoU (%) on val at the end of each fine-tuning.

    Raises:
        FileExistsError: If the folder belongs to another run, or a stage was begun with another
            config.
        BlockingIOError: If another process runs a chain in this folder.
        ValueError: If a stage cannot be built; others as :func:`load_stages`.
    """
    request = request or Request()
    stages = load_stages(chain, request, work_dir)
    begins = dict(zip(FINETUNED, PRETRAINED, strict=True)) if request.pretraining else {}
    # A changed one is a checkpoint from outside of the chain.
    goes_on = stages.get('semi_pretrain', Config()).get('load_from') is not None
    if goes_on and 'load_from' not in request.changes('semi_pretrain'):
        begins['semi_pretrain'] = 'finetune'
    claim_folder(work_dir, {'tool': 'train_label_efficient'})
    with locked(work_dir):
        _write_configs(chain, stages, begins, work_dir)
        results = {}
        for half in request.halves:
            if half[-1] == 'semi_finetune':
                _label(chain, stages, work_dir, run_tool)
            ends = [_train(stage, stages, work_dir, run_tool) for stage in half]
            results[half[-1]] = _score(half[-1], work_dir, ends[-1], run_tool)
        write_file(work_dir / 'results.json', json.dumps(results, indent=2) + '\n')
    return results


def last_checkpoint(folder: Path, iterations: int) -> Path | None:
    """Return the checkpoint of the last iteration, or None where a training has not ended.

    Args:
        folder (Path): Work folder of the training.
        iterations (int): Its length.
    """
    found = latest_checkpoint(folder)
    return Path(found) if found and Path(found).name == f'iter_{iterations}.pth' else None


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
                    f'{value}: choose another work-dir, or, where the second half has not begun, delete '
                    f'{manifest.parent} to label again'
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
            places[_MASKS] = str(root / LABELS / MASKS)
        for index, source in enumerate(cfg.train_dataloader.dataset.datasets):
            if Path(source.ann_file).parent == root / 'lists':
                places[f'train_dataloader.dataset.datasets.{index}.ann_file'] = source.ann_file
        cfg.merge_from_dict(places)
        path = _config(stage, work_dir)
        # one that died before its first checkpoint starts anew, with whatever it is given
        if (work_dir / stage / 'last_checkpoint').is_file() and path.is_file():
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
        unlabeled_images(stages['finetune'], *_unlabeled(stages['semi_finetune']))['classes']
    )


def _unlabeled(cfg: Config) -> tuple[str, str, str]:
    """Return folder, list and suffix of the images that a config trains on beside the labelled ones."""
    source = cfg.train_dataloader.dataset.datasets[1]
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
    config, iterations = _config('finetune', work_dir), _iterations(stages['finetune'])
    checkpoint = last_checkpoint(work_dir / 'finetune', iterations)
    out = work_dir / LABELS
    write_pseudo_labels(config, checkpoint, stages['semi_finetune'], out, chain.rule, run_tool)


def write_pseudo_labels(
    config: Path, checkpoint: Path, cfg: Config, out: Path, rule: LabelRule, run_tool: RunTool
) -> None:
    """Let a net label the images that a config trains on beside the labelled ones.

    Args:
        config (Path): Config of the net.
        checkpoint (Path): Its weights.
        cfg (Config): The config that trains on the labels, in its second data set.
        out (Path): Folder of the labels; one that is complete stays as it is.
        rule (LabelRule): Which predictions become labels.
        run_tool (RunTool): Runs a tool.
    """
    if (out / 'report.json').is_file():
        return
    folder, listed, suffix = _unlabeled(cfg)
    arguments = [
        str(config),
        str(checkpoint),
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
