"""Complaining before the first iteration, not hours later."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.config import Config
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
    check_crop,
    check_ids,
    check_left_out,
    find_missing,
    parts_of,
    random_numbers_kept,
    scan,
    source_of,
)
from ...datasets.transforms import LoadValidMap, MultiBranch
from ...models.data_preprocessors import MultiBranchDataPreprocessor
from ...models.memory import MemoryBank
from ...models.segmentors import ContrastivePretrainer, SemiSupervisedSegmentor
from ...models.segmentors.semi_supervised_segmentor import LABELED
from ...problem import Problem, SetupError
from ...structures.pixel_targets import IGNORE_INDEX
from ..checks.loops import check_epochs_end
from ..checks.network import (
    check_network,
    check_preprocessor,
    check_sample,
    check_trainable,
    padded_size,
    smallest_forward,
)
from ..checks.schedules import check_schedules
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

#: Branches of unlabelled images that a data set may make though the model does not read them.
UNREAD = ('weak', 'strong')


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
        for problem in check_schedules(runner):
            runner.logger.warning(str(problem))
        loader = runner.train_dataloader
        _raise_first(check_epochs_end(runner.train_loop, loader.sampler))
        parts = parts_of(loader.dataset)
        model = _unwrapped(runner.model)
        _raise_first(check_classes(parts, model))
        _raise_first(check_branches(parts, model))
        _raise_first(check_preprocessor(model))
        _raise_first(check_trainable(model))
        _raise_first(check_bank_is_filled(model, runner.hooks))
        _raise_first(check_batch_size(loader))
        ignored = ignored_labels(model)
        counts = getattr(loader.sampler, 'counts', None)
        sources = [loader.dataset] if counts is None else loader.dataset.datasets
        for source, need in zip(sources, counts or [loader.batch_size]):
            _raise_first(check_number(source, need * get_world_size()))
        size = padded_size(model)
        for part in parts:
            _raise_first(check_dataset(part, ignored=ignored))
            _raise_first(check_fills(part, ignored))
            _raise_first(check_sample(part, source_of(part).place, size))
        # Not only when it is too late for the iterations before the first validation.
        if runner.val_loop is not None:
            for part in parts_of(runner.val_dataloader.dataset):
                _raise_first(check_dataset(part, 'validation images', ignored | {IGNORE_INDEX}))
                _raise_first(check_sample(part, 'validation images', None))
        images = smallest_forward(counts, loader.batch_size, model)
        _raise_first(check_network(model, images, size))

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Check the labels of a batch, since only some masks were looked at before.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Number of the batch.
            data_batch (dict, optional): The batch, on the host.

        Raises:
            SetupError: A label is no class.
        """
        model = _unwrapped(runner.model)
        _raise_first(check_labels(data_batch, _num_classes(model), ignored_labels(model)))

    def before_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Do so with a batch of the validation, whose metric ignores 255.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Number of the batch.
            data_batch (dict, optional): The batch, on the host.

        Raises:
            SetupError: A label is no class, which the metric would leave out in silence.
        """
        model = _unwrapped(runner.model)
        ignored = ignored_labels(model) | {IGNORE_INDEX}
        _raise_first(check_labels(data_batch, _num_classes(model), ignored))

    def before_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Do so with a batch of the test, see :meth:`before_val_iter`."""
        self.before_val_iter(runner, batch_idx, data_batch)

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
            raise SetupError(Problem('model', what, 'take the config that fine-tunes it'))
        if self.untrained and runner.iter == 0:
            what = f'it lacks {self.untrained[0]}, without which nothing can be predicted'
            remedy = 'give one that was trained with this config'
            raise SetupError(Problem('checkpoint', what, remedy))


def ignored_labels(model: Any) -> set[int]:
    """Say which labels a model's losses pay no heed to.

    Args:
        model (Any): The segmentor.

    Returns:
        set[int]: The decode head's ``ignore_index``; 255 too for the segmentors of this package, which
        read it as padding whatever that is.
    """
    own = {getattr(_last_head(model), 'ignore_index', IGNORE_INDEX)}
    both = isinstance(model, SemiSupervisedSegmentor | ContrastivePretrainer)
    return own | ({IGNORE_INDEX} if both else set())


def check_number(dataset: Any, need: int) -> list[Problem]:
    """Compare the number of images of a source with what a batch takes of it.

    Args:
        dataset (Any): The source: a data set, or several in a wrapper.
        need (int): Samples of it in one batch.

    Returns:
        list[Problem]: At most one.
    """
    parts = parts_of(dataset)
    if not parts or len(dataset) >= need:
        return []
    what = f'there are {len(dataset)}, but a batch needs {need}'
    remedy = 'add images, or make batch_size or its source_ratio smaller'
    return [Problem(source_of(parts[0]).place, what, remedy)]


def check_dataset(
    dataset: BaseSegDataset, place: str | None = None, ignored: Collection[int] = (IGNORE_INDEX,)
) -> list[Problem]:
    """Check the files of one data set and what its pipeline makes of them.

    Args:
        dataset (BaseSegDataset): The data set, with or without masks.
        place (str, optional): What to call it. Defaults to None: labelled or unlabelled images.
        ignored (Collection[int]): Labels beside the classes that the losses pay no heed to.

    Returns:
        list[Problem]: What is wrong; when files are missing, nothing else is looked at.
    """
    if dataset.backend_args:
        return []  # the files are not on this disk
    source = source_of(dataset, place)
    problems = find_missing(source) or check_left_out(dataset, source.place)
    if problems:
        return problems
    found = scan(source.spread(MAX_FILES))
    sizes = sizes_before_crop(dataset) if not found.problems else []
    problems += found.problems + check_ids(found, source, ignored)
    for crop_size, images in sizes:
        problems += check_crop(images, crop_size, source.place)
    return problems


def check_labels(
    batch: Mapping[str, Any] | None, num_classes: int | None, ignored: Collection[int]
) -> list[Problem]:
    """Look for labels that are no class in a batch, before a loss fails without a file name.

    Takes 0.1 ms for an image of 512 x 512.

    Args:
        batch (Mapping, optional): A batch as collated; with branches, the labelled ones are read.
        num_classes (int, optional): Number of classes; none checks nothing.
        ignored (Collection[int]): Labels beside the classes that the losses pay no heed to.

    Returns:
        list[Problem]: At most one.
    """
    samples = [] if batch is None or num_classes is None else batch.get('data_samples', [])
    if isinstance(samples, Mapping):
        samples = [each for name in LABELED for each in samples.get(name, [])]
    for sample in samples:
        if sample is None or 'gt_sem_seg' not in sample:
            continue
        labels = sample.gt_sem_seg.data.numpy()
        low, high = int(labels.min(initial=0)), int(labels.max(initial=0))
        if low >= 0 and high < num_classes:
            continue
        wrong = [
            int(each)
            for each in np.unique(labels)
            if each not in ignored and not 0 <= each < num_classes
        ]
        if wrong:
            path = getattr(sample, 'seg_map_path', None) or getattr(sample, 'img_path', 'a mask')
            what = f'the mask gives the label {wrong[0]}, but {num_classes} classes have 0 to '
            what += f'{num_classes - 1}'
            ignoring = ', '.join(map(str, sorted(ignored)))
            remedy = f'correct the mask, or convert it to class ids ({ignoring} is ignored)'
            return [Problem(path, what, remedy)]
    return []


def check_fills(dataset: BaseSegDataset, ignored: Collection[int]) -> list[Problem]:
    """Look for transforms that fill labels, beside an image that they turned or padded, with a class.

    Args:
        dataset (BaseSegDataset): The data set, with or without masks.
        ignored (Collection[int]): Labels beside the classes that the losses pay no heed to; in the
            valid map of an unlabelled image that is 255 alone.

    Returns:
        list[Problem]: At most one.
    """
    transforms = list(dataset.pipeline.transforms)
    for split in [each for each in transforms if isinstance(each, MultiBranch)]:
        transforms += [each for part in split.branch_pipelines.values() for each in part.transforms]
    if any(isinstance(each, LoadValidMap) for each in transforms):
        ignored = {IGNORE_INDEX}
    for transform in transforms:
        padding = getattr(transform, 'pad_val', None)
        fills = {
            'seg_pad_val': getattr(transform, 'seg_pad_val', None),
            'seg_fill_in': getattr(transform, 'seg_fill_in', None),
            'pad_val.seg': padding.get('seg') if isinstance(padding, Mapping) else None,
        }
        for name, value in fills.items():
            if value is not None and value not in ignored:
                what = f'{name}={value} fills what lies outside an image with a label that counts'
                remedy = f'set it to {max(ignored)}'
                return [Problem(f'{type(transform).__name__} in the pipeline', what, remedy)]
    return []


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
    sizes = []
    with random_numbers_kept():
        for index in np.linspace(0, len(dataset) - 1, CROP_DRAWS).round().astype(int):
            results = dataset.get_data_info(int(index))
            for transform in transforms[: crops[0]]:
                results = transform(results) if results is not None else None
            if results is not None:
                sizes.append(results['img'].shape[:2])
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
    read = model.branches
    unknown, missing = sorted(given - {*LABELED, *UNREAD, *read}), sorted(read - given)
    if unknown or (missing and given - {*LABELED}):
        what = f'the sources give {sorted(given)}, the model reads {sorted({*LABELED, *read})}'
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
    banks = any(isinstance(module, MemoryBank) for module in model.modules())
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


def _last_head(model: Any) -> Any:
    """Return the decode head; of a cascade, the last one."""
    head = getattr(model, 'decode_head', None)
    return head[-1] if isinstance(head, nn.ModuleList) else head


def _num_classes(model: Any) -> int | None:
    return getattr(_last_head(model), 'num_classes', None)


def _unwrapped(model: Any) -> Any:
    """Take a model out of its wrappers for distributed training and test-time augmentation."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def _raise_first(problems: Sequence[Problem]) -> None:
    """Raise the first problem, if there is one."""
    if problems:
        raise SetupError(problems[0])
