"""Complaining before the first iteration, not hours later."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dataset import ConcatDataset
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from mmseg.datasets import BaseSegDataset
from mmseg.datasets.transforms import RandomCrop
from mmseg.registry import HOOKS
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ...datasets.checks import (
    Problem,
    SetupError,
    check_crop,
    check_ids,
    find_missing,
    scan,
    source_of,
)
from ...datasets.transforms import MultiBranch
from ...models.data_preprocessors import MultiBranchDataPreprocessor
from ...models.memory import ClassMemoryBank
from ...models.segmentors import ContrastivePretrainer, SemiSupervisedSegmentor
from ...models.segmentors.semi_supervised_segmentor import LABELED, VIEWS
from .memory_bank_hook import MemoryBankHook

MAX_FILES = 32
CROP_DRAWS = 16
# Weights of these parts must be there in full; heads of a method may be new or left out.
CORE = ('backbone', 'neck', 'decode_head')
CLASSIFIER = 'decode_head.conv_seg.'
# Where weights come from at first: of no interest once there are others.
INITIAL = ('init_cfg', 'pretrained')
# What a resumed run must share with the run before, but for these keys: another machine has other
# folders and cores.
RESUMED = {
    'model': INITIAL,
    'train_dataloader': (
        'data_root',
        'data_prefix',
        'backend_args',
        'num_workers',
        'persistent_workers',
        'pin_memory',
        'prefetch_factor',
    ),
    'optim_wrapper': (),
    'param_scheduler': (),
}


@HOOKS.register_module()
class CheckSetupHook(Hook):
    """Check data, model and checkpoint before training starts.

    Raises :class:`SetupError` with one sentence: the place, what is wrong, and the remedy. Looks at up
    to 32 masks and images, spread over each list, which takes seconds. Every process finds the
    same, without talking to the others.
    """

    priority = 'VERY_HIGH'
    #: Weights of backbone, neck and decode head that the checkpoint did not have.
    untrained: Sequence[str] = ()

    def before_train(self, runner: Runner) -> None:
        """Check the training data against the model.

        Args:
            runner (Runner): The runner, with its data and model built.

        Raises:
            SetupError: Something is wrong.
        """
        loader = runner.train_dataloader
        dataset = loader.dataset
        parts = dataset.datasets if isinstance(dataset, ConcatDataset) else [dataset]
        parts = [part for part in parts if isinstance(part, BaseSegDataset)]
        model = _unwrapped(runner.model)
        _raise_first(check_classes(parts, model))
        _raise_first(check_branches(parts, model))
        _raise_first(check_bank_is_filled(model, runner.hooks))
        _raise_first(check_batch_size(loader))
        needs = getattr(loader.sampler, 'counts', [loader.batch_size])
        for part, need in zip(parts, needs):
            _raise_first(check_dataset(part, need * get_world_size()))
        # Not only when it is too late for the iterations before the first validation.
        if runner.val_loop is not None and isinstance(
            runner.val_dataloader.dataset, BaseSegDataset
        ):
            _raise_first(check_dataset(runner.val_dataloader.dataset, 1))

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check a checkpoint against the model, before its weights are loaded.

        Args:
            runner (Runner): The runner, with its model built.
            checkpoint (dict): The content of the checkpoint file.

        Raises:
            SetupError: The checkpoint is of another model or, on resume, of another config.
        """
        own = _unwrapped(runner.model).state_dict()
        loaded = checkpoint.get('state_dict', checkpoint)
        self.untrained = sorted(_core(own) - {key.removeprefix('module.') for key in loaded})
        if runner._resume:
            text = checkpoint.get('meta', {}).get('cfg')
            if text:
                old = Config.fromstring(text, '.py')
                for key, skip in RESUMED.items():
                    _raise_first(check_same_config(old.get(key), runner.cfg.get(key), key, skip))
        _raise_first(check_state_dict(loaded, own))

    def before_test(self, runner: Runner) -> None:
        """Refuse to predict with weights that nothing has trained.

        Args:
            runner (Runner): The runner, with its model loaded.

        Raises:
            SetupError: The model, or what was loaded into it, has no classifier.
        """
        if isinstance(_unwrapped(runner.model), ContrastivePretrainer):
            what = 'a ContrastivePretrainer has no classifier and predicts nothing'
            raise SetupError(str(Problem('model', what, 'take the config that fine-tunes it')))
        if self.untrained and runner.iter == 0:
            what = f'it lacks {self.untrained[0]}, without which nothing can be predicted'
            remedy = 'give one that was trained with this config'
            raise SetupError(str(Problem('checkpoint', what, remedy)))


def check_dataset(dataset: BaseSegDataset, need: int) -> list[Problem]:
    """Check the files of one data set and what its pipeline makes of them.

    Args:
        dataset (BaseSegDataset): The data set, with or without masks.
        need (int): Samples of it in one batch.

    Returns:
        list[Problem]: What is wrong; when files are missing, nothing else is looked at.
    """
    if dataset.backend_args:
        return []  # the files are not on this disk
    source = source_of(dataset)
    problems = find_missing(source)
    if problems:
        return problems
    if len(source.images) < need:
        what = f'there are {len(source.images)}, but a batch needs {need}'
        problems.append(
            Problem(
                source.place, what, 'add images, or make batch_size or its source_ratio smaller'
            )
        )
    found = scan(source.spread(MAX_FILES))
    sizes = sizes_before_crop(dataset) if not found.problems else []
    problems += found.problems + check_ids(found.stored, source)
    for crop_size, images in sizes:
        problems += check_crop(images, crop_size, source.place)
    return problems


def sizes_before_crop(
    dataset: BaseSegDataset,
) -> list[tuple[tuple[int, int], list[tuple[int, int]]]]:
    """Find out how large images are when the pipeline comes to cut its crop out of them.

    Args:
        dataset (BaseSegDataset): The data set.

    Returns:
        list[tuple[tuple[int, int], list[tuple[int, int]]]]: Height and width of the crop, and of
        some images before it; empty where nothing is cropped.
    """
    transforms = dataset.pipeline.transforms
    crops = [i for i, transform in enumerate(transforms) if isinstance(transform, RandomCrop)]
    if not crops:
        return []
    states = random.getstate(), np.random.get_state()
    sizes = []
    try:
        for index in np.linspace(0, len(dataset) - 1, CROP_DRAWS).round().astype(int):
            results = dataset.get_data_info(int(index))
            for transform in transforms[: crops[0]]:
                results = transform(results) if results is not None else None
            if results is not None:
                sizes.append(results['img'].shape[:2])
    finally:
        # The check must not change the random numbers that training will see.
        random.setstate(states[0])
        np.random.set_state(states[1])
    return [(tuple(transforms[crops[0]].crop_size), sizes)]


def check_classes(datasets: Sequence[BaseSegDataset], model: Any) -> list[Problem]:
    """Compare the classes of the data sets with each other and with the model.

    Args:
        datasets (Sequence[BaseSegDataset]): The sources of the training data.
        model (Any): The segmentor; its ``decode_head`` knows ``num_classes``.

    Returns:
        list[Problem]: What differs.
    """
    problems = []
    classes = [dataset.metainfo.get('classes') for dataset in datasets]
    for dataset, other in zip(datasets, classes):
        if other is not None and classes[0] is not None and tuple(other) != tuple(classes[0]):
            what = f'its classes {tuple(other)} differ from those of the first source, '
            what += f'{tuple(classes[0])}'
            remedy = 'give all sources the same metainfo, and unlabelled ones like=<labelled type>'
            problems.append(Problem(type(dataset).__name__, what, remedy))
    if not datasets or classes[0] is None:
        return problems
    for place in ('decode_head', 'auxiliary_head'):
        heads = getattr(model, place, None)
        several = isinstance(heads, nn.ModuleList)
        for index, head in enumerate(heads if several else [heads]):
            number = getattr(head, 'num_classes', None)
            if number not in (None, len(classes[0])):
                what = f'num_classes={number}, but the data set {type(datasets[0]).__name__} has '
                what += f'{len(classes[0])} classes'
                remedy = f'set num_classes={len(classes[0])} in every head of the model'
                name = f'model.{place}[{index}]' if several else f'model.{place}'
                problems.append(Problem(name, what, remedy))
    return problems


def check_branches(datasets: Sequence[BaseSegDataset], model: nn.Module) -> list[Problem]:
    """Compare the branches of the batches with each other and with what the model reads.

    Args:
        datasets (Sequence[BaseSegDataset]): The sources of the training data.
        model (nn.Module): The segmentor.

    Returns:
        list[Problem]: What differs; empty for data without branches.
    """
    splits = {
        dataset: transform
        for dataset in datasets
        for transform in dataset.pipeline.transforms
        if isinstance(transform, MultiBranch)
    }
    if not splits:
        return []
    fields = next(iter(splits.values())).branch_field
    for dataset in datasets:
        own = splits[dataset].branch_field if dataset in splits else None
        if own != fields:
            what = f'its pipeline has the branches {own}, and that of another source {fields}'
            remedy = 'end each pipeline with a MultiBranch of the same branch_field'
            return [Problem(type(dataset).__name__, what, remedy)]
    if not isinstance(model.data_preprocessor, MultiBranchDataPreprocessor):
        what = (
            f'the batches have branches, which a {type(model.data_preprocessor).__name__} cannot '
        )
        what += 'take'
        remedy = "set data_preprocessor=dict(type='MultiBranchDataPreprocessor', size=crop_size)"
        return [Problem('model.data_preprocessor', what, remedy)]
    if not isinstance(model, SemiSupervisedSegmentor):
        return []
    given = {branch for split in splits.values() for branch in split.branch_pipelines}
    views = {model.semi_train_cfg.teacher_view, model.semi_train_cfg.student_view}
    views |= {view.view for view in model.extra_views}
    unknown, missing = sorted(given - {*LABELED, *VIEWS, *views}), sorted(views - given)
    if unknown or (missing and given - {*LABELED}):
        what = f'the sources give {sorted(given)}, the model reads {sorted({*LABELED, *views})}'
        remedy = f'rename the branches {unknown}' if unknown else f'add the branches {missing}'
        return [Problem('train_dataloader', what, f'{remedy} in MultiBranch')]
    return []


def check_bank_is_filled(model: nn.Module, hooks: Sequence[Hook]) -> list[Problem]:
    """Look for the hook that writes the memory banks of a model.

    Args:
        model (nn.Module): The segmentor.
        hooks (Sequence[Hook]): The hooks of the run.

    Returns:
        list[Problem]: At most one.
    """
    banks = any(isinstance(module, ClassMemoryBank) for module in model.modules())
    if not banks or any(isinstance(hook, MemoryBankHook) for hook in hooks):
        return []
    what = 'the model has a memory bank, and nothing writes it'
    return [Problem('custom_hooks', what, "add dict(type='MemoryBankHook')")]


def check_batch_size(loader: DataLoader) -> list[Problem]:
    """Compare the batches of a loader with those that its sampler fills from several sources.

    Args:
        loader (DataLoader): The training data.

    Returns:
        list[Problem]: At most one.
    """
    drawn = getattr(loader.sampler, 'batch_size', loader.batch_size)
    if drawn == loader.batch_size:
        return []
    what = f'batch_size={loader.batch_size}, but its sampler.batch_size={drawn} mixes the sources'
    return [Problem('train_dataloader', what, 'give both the same number')]


def check_state_dict(loaded: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[Problem]:
    """Compare the weights of a checkpoint with those of the model.

    A checkpoint of the backbone alone is welcome; so is one without teacher or contrast heads, or
    with some that the model does not have. A contrastive pretraining has no classifier: as a
    checkpoint it leaves the model's own new, as a model it leaves that of the checkpoint out.

    Args:
        loaded (Mapping[str, Tensor]): Weights of the checkpoint.
        own (Mapping[str, Tensor]): Weights of the model.

    Returns:
        list[Problem]: At most one.
    """
    loaded = {key.removeprefix('module.'): value for key, value in loaded.items()}
    remedy = 'give the checkpoint of a model with this config'
    backbone = 'or load weights of a backbone with backbone.init_cfg=dict(type="Pretrained", ...)'
    for key in sorted(loaded.keys() & own.keys()):
        have, need = tuple(loaded[key].shape), tuple(own[key].shape)
        if have != need and 'conv_seg' in key:
            what = f'it has {have[0]} classes, but the model {need[0]} ({key})'
            remedy += ', or delete the weights of its heads and load the rest'
            return [Problem('checkpoint', what, remedy)]
    for key in sorted(loaded.keys() & own.keys()):
        have, need = tuple(loaded[key].shape), tuple(own[key].shape)
        if have != need:
            what = f'{key} has the shape {have}, but in the model {need}'
            return [Problem('checkpoint', f'it is of another model: {what}', remedy)]
    if not loaded.keys() & own.keys():
        what = 'none of its weights has a name that the model knows'
        return [Problem('checkpoint', what, f'{remedy}, {backbone}')]
    pretraining = any(_is_pretraining(keys) for keys in (loaded, own))
    for part in CORE:
        theirs, ours = (
            {
                key
                for key in _core(keys)
                if key.startswith(f'{part}.') and not (pretraining and key.startswith(CLASSIFIER))
            }
            for keys in (loaded, own)
        )
        missing, surplus = sorted(ours - theirs), sorted(theirs - ours)
        # A classifier at the end of a pretrained backbone is a surplus that does no harm.
        # Weights of a backbone alone are welcome, a pretraining has all parts.
        whole = theirs or _is_pretraining(loaded)
        if whole and (missing or len(surplus) > 0.1 * len(theirs)):
            key = (missing or surplus)[0]
            side = 'it lacks' if missing else 'the model lacks'
            what = f'it is of another model: {side} {key}'
            return [Problem('checkpoint', what, f'{remedy}, {backbone}')]
    return []


def _core(weights: Mapping[str, Tensor]) -> set[str]:
    # Old checkpoints do not count batches.
    parts = tuple(f'{part}.' for part in CORE)
    return {key for key in weights if key.startswith(parts) and not key.endswith('_tracked')}


def _is_pretraining(weights: Mapping[str, Tensor]) -> bool:
    """Tell a `ContrastivePretrainer` by its projection head and the classifier it lacks."""
    return any(key.startswith('projector.') for key in weights) and not any(
        key.startswith(CLASSIFIER) for key in weights
    )


def check_same_config(
    old: Any, new: Any, place: str = 'model', skip: Sequence[str] = INITIAL
) -> list[Problem]:
    """Look for the first difference between the models of two configs.

    Args:
        old (Any): ``model`` in the config of the checkpoint.
        new (Any): ``model`` in the config of this run.
        place (str): Where in the config this is. Defaults to 'model'.
        skip (Sequence[str]): Keys that may differ. Defaults to where initial weights come from.

    Returns:
        list[Problem]: At most one.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new} - {*skip}, key=str):
            problems = check_same_config(
                old.get(key, '(not given)'), new.get(key, '(not given)'), f'{place}.{key}', skip
            )
            if problems:
                return problems
        return []
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        pairs = (
            check_same_config(*pair, f'{place}[{i}]', skip) for i, pair in enumerate(zip(old, new))
        )
        problems = next((problems for problems in pairs if problems), [])
        if problems or len(old) == len(new):
            return problems
        old, new = (f'a list of {len(each)}' for each in (old, new))
    if old == new:
        return []
    what = f'it was {old} in the run to resume, and is {new} in this config'
    remedy = 'resume with the config of that run, or start a new run with load_from'
    return [Problem(place, what, remedy)]


def _unwrapped(model: Any) -> Any:
    """Take a model out of its wrappers for distributed training and test-time augmentation."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def _raise_first(problems: Sequence[Problem]) -> None:
    """Raise the first problem, if there is one."""
    if problems:
        raise SetupError(str(problems[0]))
