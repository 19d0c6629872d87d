"""Making a project of folders of photos and masks, and bringing it up to date."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from mmengine.config import Config
from PIL import Image

from ..datasets.files import read_list
from ..problem import Problem, SetupError
from .choices import Choices, Machine, choose, this_machine
from .codes import Color
from .configs import Folders, Numbers, Recipe, check, dataset_text, training_text
from .division import divide, group, group_like, look_alike
from .inspection import Findings, Progress, Question, inspect, mask_suffix
from .own_files import OwnFiles

ANNOTATIONS = 'annotations'
LISTS = {side: f'lists/{side}.txt' for side in ('train', 'val', 'unlabeled')}
LEFT_OUT = 'left_out.txt'
# Names of sub-folders that say what they are for.
_VALIDATION = ('val', 'valid', 'validation')


@dataclass(frozen=True)
class Request:
    """What a project is to be made of.

    Attributes:
        images (Path): Folder of the photos.
        masks (Path): Folder of the masks, or a file of COCO.
        out (Path): Folder of the project.
        recipe (Recipe): Method and net.
        question (Question): What is said of the masks.
        val (Path | None): Folder of the photos for validation.
        val_masks (Path | None): Folder of their masks, if it is another.
        group (str): Which images belong together, as of :func:`group`.
        seed (int): Seed of the division.
        steps (int | None): Iterations, if they are given.
        arguments (Mapping[str, Any]): The command line, to remember.
    """

    images: Path
    masks: Path
    out: Path
    recipe: Recipe
    question: Question = field(default_factory=Question)
    val: Path | None = None
    val_masks: Path | None = None
    group: str = 'auto'
    seed: int = 0
    steps: int | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sides:
    """Names of the photos by what they are for.

    Attributes:
        train (list[str]): Labelled photos for training.
        val (list[str]): Labelled photos for validation.
        unlabeled (list[str]): Photos without a usable mask, for training.
        how (str): How they were divided, in words.
        related (int): Photos without a mask that belong to those for validation, and are left out.
    """

    train: list[str]
    val: list[str]
    unlabeled: list[str]
    how: str
    related: int = 0


@dataclass(frozen=True)
class Project:
    """What was made.

    Attributes:
        findings (Findings): What the folders hold.
        sides (Sides): What each photo is for.
        folders (Folders): Where photos and masks are.
        choices (Choices): Sizes and steps.
        machine (Machine): What these were chosen for.
        configs (list[str]): Configs to train, labels alone first.
        kept (list[str]): Files that were changed by hand, and are kept.
        not_listed (int): Photos that lists which were changed by hand do not name.
    """

    findings: Findings
    sides: Sides
    folders: Folders
    choices: Choices
    machine: Machine
    configs: list[str]
    kept: list[str]
    not_listed: int


def make_project(request: Request, progress: Progress = lambda each, number, what: each) -> Project:
    """Make a project, or bring it up to date.

    Photos and masks are only read. What is for training and what for validation at an earlier time
    stays so, as do the classes of colours and numbers; files that were changed by hand are kept.

    Args:
        request (Request): What to make it of.
        progress (Progress): A progress bar.

    Returns:
        Project: What was made.

    Raises:
        FileNotFoundError: If a folder is not there or empty.
        FileExistsError: If the folder of the project holds something else.
        SetupError: If the folders cannot be used.
        ValueError: If an argument is wrong.
    """
    check(request.recipe)
    own = OwnFiles(request.out)
    machine = this_machine()
    table = {int(value): index for value, index in own.record.get('table', {}).items()}
    question = replace(request.question, before=table or None, labels=own.record.get('labels', ()))
    images = [request.images, *([request.val] if request.val else [])]
    masks = [request.masks, *([request.val_masks] if request.val_masks else [])]
    findings = inspect(images, masks, question, progress)
    sides, not_listed = _sides(request, findings, own)
    choices = choose(
        [photo.size for photo in findings.photos.values()], len(sides.train), machine, request.steps
    )
    folders = _write_masks(findings, own)
    numbers = Numbers(len(sides.train), len(sides.val), len(sides.unlabeled))
    own.write('dataset.py', dataset_text(folders, findings.encoding, numbers, choices, machine))
    configs = {'supervised.py': 'supervised'}
    if sides.unlabeled:
        configs['semi.py'] = request.recipe.method
    for name, method in configs.items():
        own.write(name, training_text(request.recipe, method, choices, numbers))
    if findings.problems:
        own.write(LEFT_OUT, ''.join(f'{problem}\n' for problem in findings.problems))
    polygons = findings.encoding.what == 'polygons'
    own.finish(
        arguments=dict(request.arguments),
        table=findings.encoding.table,
        labels=findings.encoding.names if polygons else [],
    )
    if 'dataset.py' in own.kept:
        _check_dataset(request.out / 'dataset.py', findings, folders)
    return Project(findings, sides, folders, choices, machine, [*configs], own.kept, not_listed)


def _sides(request: Request, findings: Findings, own: OwnFiles) -> tuple[Sides, int]:
    """Divide the photos, and write the lists, unless these were changed by hand."""
    paths = {side: own.folder / name for side, name in LISTS.items()}
    if any(own.is_changed(name) for name in LISTS.values()):
        for side, name in LISTS.items():
            if paths[side].is_file():
                own.keep(name)
        listed = {side: read_list(path) if path.is_file() else [] for side, path in paths.items()}
        named = {name for names in listed.values() for name in names}
        sides = Sides(**listed, how='by lists that were changed by hand')
        _check_numbers(request, sides)
        return sides, len(findings.images.keys() - named)
    before = {side: read_list(path) if path.is_file() else [] for side, path in paths.items()}
    sides = _divide(request, findings, (before['train'], before['val']))
    _check_numbers(request, sides)
    for side, name in LISTS.items():
        if getattr(sides, side):
            own.write(name, ''.join(f'{each}\n' for each in getattr(sides, side)))
    return sides, 0


def _check_numbers(request: Request, sides: Sides) -> None:
    """Refuse a side that has too few photos, before anything is written."""
    for side, names, least in (('training', sides.train, 2), ('validation', sides.val, 1)):
        if len(names) < least:
            what = f'{len(names) or "no"} photo with a mask is left for {side}, which needs {least}'
            raise SetupError(
                Problem(str(request.images), what, 'label more, or give another --val')
            )


def _divide(
    request: Request, findings: Findings, before: tuple[Collection[str], Collection[str]]
) -> Sides:
    labeled, bare = [*findings.pixels], sorted(findings.images.keys() - findings.pixels.keys())
    chosen, how = _chosen_val(request, findings, labeled)
    if chosen is not None:
        is_val = chosen
        train = [name for name in labeled if not is_val(name)]
        val = [name for name in labeled if is_val(name)]
        unlabeled = [name for name in bare if not is_val(name)]
    else:
        alike = look_alike({name: photo.thumbnail for name, photo in findings.photos.items()})
        groups, words = group(labeled, request.group, alike)
        how = f'{words}; seed {request.seed}'
        pixels = np.array([findings.pixels[name][:-1] for name in labeled])
        train, val = divide(labeled, groups, pixels, request.seed, before=before)
        watched = {groups[name] for name in val}
        unlabeled = [
            name for name in bare if group_like(name, groups, request.group) not in watched
        ]
    return Sides(train, val, unlabeled, how, len(bare) - len(unlabeled))


def _chosen_val(request: Request, findings: Findings, labeled: Sequence[str]):
    """Return what tells the photos for validation where a folder does, and its words."""
    if request.val is not None:
        folder = request.val.absolute()
        return (
            lambda name: folder in findings.image_folder.joinpath(name).parents,
            f'--val {request.val}',
        )

    def in_one(name: str) -> bool:
        return any(part.lower() in _VALIDATION for part in PurePosixPath(name).parts[:-1])

    if request.group == 'auto' and len({in_one(name) for name in labeled}) == 2:
        return in_one, 'sub-folder for validation'
    return None, ''


def _write_masks(findings: Findings, own: OwnFiles) -> Folders:
    """Write masks as class ids, unless they are that where they are."""
    suffix = mask_suffix(findings)
    if suffix is not None:
        return Folders(findings.image_folder, findings.mask_folder, findings.suffix, suffix)
    for name in findings.pixels:
        own.write(
            f'{ANNOTATIONS}/{name}.png',
            as_png(findings.classes_of(name), findings.encoding.palette),
        )
    return Folders(findings.image_folder, None, findings.suffix, '.png')


def as_png(classes: np.ndarray, palette: Sequence[Color]) -> bytes:
    """Write class ids as a PNG that shows its colours; what is ignored is white.

    Args:
        classes (np.ndarray): Class of each pixel, or 255, uint8 of shape (H, W).
        palette (Sequence[Color]): Colours of the classes.
    """
    image = Image.fromarray(classes)
    colors = [*palette, *[(255, 255, 255)] * (256 - len(palette))]
    image.putpalette([part for color in colors for part in color])
    buffer = io.BytesIO()
    image.save(buffer, format='PNG', optimize=False)
    return buffer.getvalue()


def _check_dataset(path: Path, findings: Findings, folders: Folders) -> None:
    """Refuse a config of the data set that was changed by hand and does not fit the data any more."""
    cfg = Config.fromfile(path)
    masks = str(folders.masks or path.parent.absolute() / ANNOTATIONS)
    wanted = {
        'images': str(folders.images),
        'masks': masks,
        'img_suffix': folders.img_suffix,
        'seg_map_suffix': folders.seg_map_suffix,
    }
    wrong = {key: value for key, value in wanted.items() if cfg.get(key) != value}
    names, number = cfg.get('classes') or (), len(findings.encoding.names)
    if len(names) < number:
        what = f'it was changed by hand and names {len(names)} classes, but the masks show {number}'
        raise SetupError(Problem(str(path), what, 'add names and colours to it'))
    if wrong:
        key, value = next(iter(wrong.items()))
        what = f'it was changed by hand and says {key} = {cfg.get(key)!r}, but now it is {value!r}'
        raise SetupError(Problem(str(path), what, 'change that line, or delete the file'))
