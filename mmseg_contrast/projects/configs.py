"""The configs of a project: a data set, and two trainings on the shared recipe."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from ..problem import Problem, SetupError
from .choices import Choices, Machine
from .encoding import Encoding

#: Recipes of parts of a recipe, or of another kind of training.
_NO_METHODS = ('recipe', 'semi_recipe', 'supervised', 'pretrain')
_WIDTH = 100


@dataclass(frozen=True)
class Recipe:
    """What a training is made of.

    Attributes:
        configs (Path): The folder of the configs of the package.
        method (str): Name of a recipe.
        backbone (str): Name of a net of the package, or the path of a config of one.
    """

    configs: Path
    method: str
    backbone: str

    @property
    def net(self) -> Path:
        """File of the net."""
        own = Path(self.backbone)
        if own.suffix == '.py':
            return own.resolve()
        return self.configs / '_base_/models' / f'{self.backbone}.py'


def methods(configs: Path) -> list[str]:
    """List the methods that there are recipes for.

    Args:
        configs (Path): The folder of the configs of the package.
    """
    names = sorted(path.stem for path in (configs / '_base_/recipes').glob('*.py'))
    return [name for name in names if name not in _NO_METHODS]


def nets(configs: Path) -> list[str]:
    """List the nets that a recipe completes: those whose classes are set in one place.

    Args:
        configs (Path): The folder of the configs of the package.
    """
    names = sorted(path.stem for path in (configs / '_base_/models').glob('*.py'))
    return [name for name in names if _why_not(configs / '_base_/models' / f'{name}.py') is None]


def check(recipe: Recipe) -> None:
    """Refuse a method or a net that there is not.

    Args:
        recipe (Recipe): The recipe.

    Raises:
        SetupError: If there is none of the name, or the net cannot be completed.
    """
    known = methods(recipe.configs)
    if recipe.method not in known:
        raise SetupError(Problem(f'--method {recipe.method}', 'there is none', _choice(known)))
    if not recipe.net.is_file():
        known = nets(recipe.configs)
        what = 'there is no such net'
        raise SetupError(Problem(f'--backbone {recipe.backbone}', what, _choice(known)))
    reason = _why_not(recipe.net)
    if reason:
        remedy = _choice(nets(recipe.configs)) + ', or write its config by hand'
        raise SetupError(Problem(f'--backbone {recipe.backbone}', reason, remedy))


def _choice(names: Sequence[str]) -> str:
    return f'give one of {", ".join(names)}'


def _why_not(path: Path) -> str | None:
    """Say why a recipe cannot complete a net; None if it can."""
    model = Config.fromfile(path).get('model') or {}
    head = model.get('decode_head')
    if not isinstance(head, dict) or 'num_classes' not in head:
        return 'the net has no decode_head with num_classes, or several'
    if model.get('auxiliary_head'):
        return 'the net has auxiliary heads, each with a number of classes of its own'
    return None


@dataclass(frozen=True)
class Numbers:
    """How many photos there are of each kind, for a comment."""

    train: int
    val: int
    unlabeled: int


@dataclass(frozen=True)
class Folders:
    """Where photos and masks are.

    Attributes:
        images (Path): Folder of the photos.
        masks (Path | None): Folder of the masks; None: ``annotations`` of the project.
        img_suffix (str): Suffix of the photos, or ``''`` where names have theirs.
        seg_map_suffix (str): Suffix of the masks.
    """

    images: Path
    masks: Path | None
    img_suffix: str
    seg_map_suffix: str


def dataset_text(
    folders: Folders, encoding: Encoding, numbers: Numbers, choices: Choices, machine: Machine
) -> str:
    """Write the config of the data set.

    Args:
        folders (Folders): Where photos and masks are.
        encoding (Encoding): Names and colours of the classes.
        numbers (Numbers): How many photos there are.
        choices (Choices): Sizes and steps.
        machine (Machine): What they were chosen for.
    """
    masks = '"{{ fileDirname }}/annotations"' if folders.masks is None else repr(str(folders.masks))
    longer, shorter = choices.photo
    # as the recipes have it, with fewer in a small memory and of few labels
    step = min(2 if choices.halve_batch else 4, numbers.train)
    views = choices.steps * step / numbers.train
    size = _comment(
        f'Photos have {longer} x {shorter} pixels in the middle and are read at image_scale (longer side, '
        f'shorter side), which training varies from half to double. crop_size is height and width of what '
        f'a step sees, chosen for {machine}: larger shows more at once, and takes more memory.'
    )
    steps = _comment(
        f'With {step} labelled images in a step, each of the {numbers.train} is seen {views:.0f} times.'
    )
    workers = _comment('Processes that load images.')
    return f"""{_HEADER}
# {numbers.train} labelled photos for training, {numbers.val} for validation, {numbers.unlabeled} unlabelled.
_base_ = []

from mmseg_contrast.datasets.loaders import multi_scale, single_scale, val_loader

classes = (
{_lines(map(repr, encoding.names))}
)
palette = [
{_lines(str([*color]) for color in encoding.palette)}
]
# where the photos and the masks are; `fileDirname` is the folder of this file
images = {str(folders.images)!r}
masks = {masks}
lists = "{{{{ fileDirname }}}}/lists"
img_suffix = {folders.img_suffix!r}
seg_map_suffix = {folders.seg_map_suffix!r}

{size}
image_scale = {choices.image_scale}
crop_size = {choices.crop_size}
{steps}
steps = {choices.steps}
{workers}
num_workers = {choices.num_workers}

dataset_type = 'BaseSegDataset'
metainfo = dict(classes=classes, palette=palette)
num_classes = len(classes)
data_root = "{{{{ fileDirname }}}}"
train_prefix = dict(img_path=images, seg_map_path=masks)
val_prefix = train_prefix
labeled_list = f'{{lists}}/train.txt'
unlabeled_list = f'{{lists}}/unlabeled.txt'
val_list = f'{{lists}}/val.txt'
test_pipeline = single_scale(image_scale)
tta_pipeline = multi_scale(image_scale)
tta_model = dict(type='SegTTAModel')
val_dataloader = test_dataloader = val_loader(globals())
val_evaluator = test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
"""


_HEADER = """\
# Written by mmseg-contrast init. Change what you like: a file that you have changed is not written again."""


def training_text(recipe: Recipe, method: str, choices: Choices, numbers: Numbers) -> str:
    """Write the config of a training.

    Args:
        recipe (Recipe): What it is made of.
        method (str): Name of the recipe, which may be that for labels alone.
        choices (Choices): Whether the batch is halved.
        numbers (Numbers): How many photos there are; a batch holds each once.
    """
    path = recipe.configs / '_base_/recipes' / f'{method}.py'
    made = Config.fromfile(path)
    ratio = made.source_ratio
    most, lines = made.batch_size // sum(ratio), []
    times = max(1, most // 2) if choices.halve_batch else most
    times = min(times, *(n // share for n, share in zip((numbers.train, numbers.unlabeled), ratio)))
    if times < 1:
        what = f'a step takes {" + ".join(map(str, ratio))} images, and there are {numbers.train} labelled'
        what += f' and {numbers.unlabeled} unlabelled ones for training'
        raise SetupError(Problem(f'--method {method}', what, 'add images, or give another method'))
    if times < most:
        why = 'a small memory' if times == most // 2 and choices.halve_batch else 'so few images'
        lines.append(f'batch_size = {times * sum(ratio)}  # fewer than in the recipe, for {why}')
    if 'optim_wrapper' not in Config.fromfile(recipe.net):
        lines.append("optimizer = dict(type='AdamW', lr=1e-3, weight_decay=0.01)")
        lines.append("optim_wrapper = dict(type='OptimWrapper', optimizer=optimizer)")
    extra = ''.join(f'{line}\n' for line in lines)
    what = 'labels alone' if method == 'supervised' else method
    return f"""{_HEADER}
# {recipe.net.stem}, {what}
_base_ = [{str(path)!r}, {str(recipe.net)!r}, './dataset.py']

from mmseg_contrast.datasets.loaders import train_loader

max_iters = _base_.steps
param_scheduler = [dict(_base_.poly, end=max_iters)]
train_cfg = dict(max_iters=max_iters, val_interval=max(1, max_iters // 10))
{extra}data_preprocessor = dict(type=_base_.preprocessor, size=_base_.crop_size)
decode_head = dict(num_classes=_base_.num_classes)
model = dict(**_base_.method, data_preprocessor=data_preprocessor, decode_head=decode_head)
train_dataloader = train_loader(globals())
"""


def _comment(text: str) -> str:
    return '\n'.join(f'# {line}' for line in textwrap.wrap(text, _WIDTH))


def _lines(entries: Iterable[str]) -> str:
    """Write entries of a list into as few lines as they need."""
    lines = ['']
    for entry in entries:
        if len(lines[-1]) + len(entry) + 2 > _WIDTH:
            lines.append('')
        lines[-1] += f' {entry},' if lines[-1] else f'    {entry},'
    return '\n'.join(lines)
