"""What folders of photos and masks hold: what can be used, what cannot, and what the masks mean."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..datasets.files import IGNORE_INDEX, IMAGE_SUFFIXES, exif_orientation, unreadable
from ..datasets.transforms import LoadImageFromFile
from ..datasets.transforms.load_annotations import SIDEWAYS, check_size
from ..files import sha256_of
from ..problem import Problem, SetupError
from .class_names import ClassNames, class_names, distinct_colors
from .codes import Codes, Color, read_codes, summarize
from .encoding import Encoding, decide
from .pairs import Pairs, find_masks, find_photos, pair, require_masks
from .polygons import PolygonMask, class_list, is_coco, is_labelme, of_coco, of_labelme, read_json

#: Puts a progress bar around what is opened: (what there is, its number, what it is).
Progress = Callable[[Iterable, int, str], Iterable]
Size = tuple[int, int]
_THUMBNAIL = (16, 16)


@dataclass(frozen=True)
class Photo:
    """What a photo looks like.

    Attributes:
        size (tuple[int, int]): Its height and width as shown, turned by its EXIF flag.
        thumbnail (np.ndarray): Its brightness, float32 of shape (16, 16).
    """

    size: Size
    thumbnail: np.ndarray


@dataclass(frozen=True)
class Question:
    """What the user says of the folders beside where they are.

    Attributes:
        classes (Sequence[str]): Class names, or one file of them.
        encoding (str | None): What the numbers of the masks mean, as of :func:`decide`.
        ignored (Collection[int | Color] | None): Numbers and colours that are no class.
        mask_suffix (str | None): End of the file names of masks.
        before (Mapping[int, int] | None): Class of each number at an earlier time.
        labels (Sequence[str]): Labels of polygons at an earlier time, in the order of their classes.
    """

    classes: Sequence[str] = ()
    encoding: str | None = None
    ignored: Collection[int | Color] | None = None
    mask_suffix: str | None = None
    before: Mapping[int, int] | None = None
    labels: Sequence[str] = ()


@dataclass(frozen=True)
class Findings:
    """What can be used of the folders.

    Attributes:
        image_folder (Path): Folder that the names of the photos start from.
        mask_folder (Path): The same of the masks.
        images (dict[str, Path]): Photos that can be read, by name.
        suffix (str): Suffix of all photos, or ``''`` where names have theirs.
        photos (dict[str, Photo]): What they look like.
        masks (dict[str, Path | PolygonMask]): Usable masks by the name of their photo.
        pixels (dict[str, np.ndarray]): Pixels of each class in each mask, then those that are ignored.
        encoding (Encoding): What the numbers of the masks mean.
        class_source (str): Where the class names come from; '' where they are made up.
        problems (list[Problem]): Files that are left out.
    """

    image_folder: Path
    mask_folder: Path
    images: dict[str, Path]
    suffix: str
    photos: dict[str, Photo]
    masks: dict[str, Path | PolygonMask]
    pixels: dict[str, np.ndarray]
    encoding: Encoding
    class_source: str
    problems: list[Problem] = field(default_factory=list)

    def classes_of(self, name: str) -> np.ndarray:
        """Read the mask of a photo.

        Args:
            name (str): Name of the photo.

        Returns:
            np.ndarray: Class of each pixel, or 255, uint8 of shape (H, W).
        """
        mask = self.masks[name]
        if isinstance(mask, PolygonMask):
            return mask.draw({name: index for index, name in enumerate(self.encoding.names)})
        return self.encoding.encode(read_codes(mask))


def inspect(
    image_folders: Sequence[Path],
    mask_paths: Sequence[Path],
    question: Question = Question(),
    progress: Progress = lambda each, number, what: each,
) -> Findings:
    """Open all photos and masks, and find out what they are.

    Args:
        image_folders (Sequence[Path]): Folders of the photos.
        mask_paths (Sequence[Path]): Folders of the masks, or files of COCO.
        question (Question): What the user says.
        progress (Progress): A progress bar.

    Returns:
        Findings: What can be used, and what not.

    Raises:
        FileNotFoundError: If a folder is not there or empty.
        SetupError: If no photo has a mask, or the masks do not tell what they mean.
    """
    pairs, masks = find_pairs(image_folders, mask_paths, question.mask_suffix)
    problems = list(pairs.problems)
    photos = _open_photos(pairs, problems, progress)
    images = {name: path for name, path in pairs.images.items() if name in photos}
    for name, twin in twins(images, masks).items():
        what = f'the photo is the same as {images[twin]}'
        problems.append(Problem(str(images.pop(name)), what, 'keep one of them'))
    masks = {name: mask for name, mask in masks.items() if name in images}
    polygons = [mask for mask in masks.values() if isinstance(mask, PolygonMask)]
    if polygons and len(polygons) < len(masks):
        other = next(mask for mask in masks.values() if not isinstance(mask, PolygonMask))
        what = f'there are masks as images ({other}) and as polygons'
        remedy = 'keep one kind, or give the end of the right files as --mask-suffix'
        raise SetupError(Problem(str(polygons[0].path), what, remedy))
    folders = [path if path.is_dir() else path.parent for path in mask_paths]
    beside = [*folders, *image_folders, *(folder.parent for folder in folders)]
    names = class_names(question.classes, beside)
    read = _read_polygons if polygons else _read_images
    encoding, pixels = read(images, photos, masks, names, question, problems, progress)
    masks = {name: mask for name, mask in masks.items() if name in pixels}
    source = names.source if names else 'the labels of the polygons' if polygons else ''
    return Findings(
        common(image_folders),
        common(folders),
        images,
        pairs.suffix,
        {name: photos[name] for name in images},
        masks,
        pixels,
        encoding,
        source,
        problems,
    )


def common(folders: Sequence[Path]) -> Path:
    """Return the folder that all folders lie in, or the only one."""
    return Path(os.path.commonpath([os.path.abspath(folder) for folder in folders]))


def find_pairs(
    image_folders: Sequence[Path], mask_paths: Sequence[Path], ending: str | None = None
) -> tuple[Pairs, dict[str, Path | PolygonMask]]:
    """Find the photos, and the mask of each that has one, without opening images.

    Args:
        image_folders (Sequence[Path]): Folders of the photos; names start from the folder that all lie in.
        mask_paths (Sequence[Path]): Folders of the masks, or files of COCO; one for each folder of
            photos, or one for all.
        ending (str, optional): End of the file names of masks.

    Returns:
        tuple[Pairs, dict[str, Path | PolygonMask]]: Photos, and what is left out; masks by name.

    Raises:
        FileNotFoundError: If a folder is not there or empty.
        SetupError: If no photo has a mask.
    """
    files: list[Path] = []
    for path in mask_paths:
        if path.is_file() and path.suffix.lower() != '.json':
            what = 'it is a file, and no JSON'
            raise SetupError(Problem(str(path), what, 'give the folder of the masks'))
        files += [path] if path.is_file() else find_masks(path, ending)
    folders = [path if path.is_dir() else path.parent for path in mask_paths]
    photos = [path for each in image_folders for path in find_photos(each, folders)]
    # One folder may lie in another.
    photos, files = (
        list(dict.fromkeys(Path(os.path.abspath(path)) for path in paths))
        for paths in (photos, files)
    )
    given = {Path(os.path.abspath(path)) for path in mask_paths}
    image_folder, folder = common(image_folders), common(folders)
    stems = {each.stem.lower() for each in photos}
    collections = []
    for path in [path for path in files if path.suffix.lower() == '.json']:
        if path not in given and path.stem.lower() in stems:
            continue  # of LabelMe, one for each photo
        files.remove(path)
        if is_coco(read_json(path)):
            collections.append(path)
        elif path in given:
            what = 'it is JSON, but not of COCO'
            raise SetupError(Problem(str(path), what, 'give the folder of the masks'))

    def may_be(photo: Path, mask: Path) -> bool:
        # Each folder of photos has its own folder of masks, or all have one.
        places = _place(photo, image_folders), _place(mask, folders)
        return len(folders) == 1 or places[0] == places[1]

    pairs = pair(photos, image_folder, files, folder, may_be)
    masks: dict[str, Path | PolygonMask] = {}
    for name, path in pairs.masks.items():
        mask = path if path.suffix.lower() != '.json' else _labelme(path, pairs, name)
        if mask is not None:
            masks[name] = mask
    for path in collections:
        for name, mask in of_coco(path, pairs.images):
            masks.setdefault(name, mask)
    pairs.masks.clear()
    pairs.masks.update(
        {n: mask.path if isinstance(mask, PolygonMask) else mask for n, mask in masks.items()}
    )
    require_masks(pairs, image_folder, [*files, *collections], folder)
    return pairs, masks


def _place(path: Path, folders: Sequence[Path]) -> int:
    """Return which of the folders a file is in; the last one where several are meant."""
    found = [n for n, each in enumerate(folders) if Path(os.path.abspath(each)) in path.parents]
    return max(found, default=0)


def _labelme(path: Path, pairs: Pairs, name: str) -> PolygonMask | None:
    """Read the polygons of one photo; None, and a word on it, where there are none."""
    try:
        content = read_json(path)
    except SetupError as error:
        pairs.problems.append(error.problem)
        return None
    if not is_labelme(content):
        what = 'it is JSON, but not of LabelMe'
        pairs.problems.append(Problem(str(path), what, 'export polygons as LabelMe or COCO'))
    elif not content['shapes']:
        what = 'it has no polygon, and nothing tells whether that is meant'
        remedy = 'draw one, or delete the file; the photo counts as unlabelled'
        pairs.problems.append(Problem(str(path), what, remedy))
    else:
        try:
            return of_labelme(path, content, open_photo(pairs.images[name]).size)
        except SetupError:
            return None  # a photo that cannot be read, told with the photos
    return None


def open_photo(path: Path) -> Photo:
    """Read a photo to its end, as far as that is needed to know that it is whole.

    Args:
        path (Path): The photo.

    Returns:
        Photo: What it looks like.

    Raises:
        SetupError: If it cannot be read.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            # A JPEG is decoded at an eighth of its size, which takes a tenth of the time.
            image.draft('RGB', (width // 8, height // 8))
            image.load()
            small = image.convert('RGB').convert('L').resize(_THUMBNAIL, Image.Resampling.BOX)
    except UnidentifiedImageError:
        # such as 16 bits in three channels, which training reads
        pixels = LoadImageFromFile()({'img_path': str(path)})['img']
        small = Image.fromarray(pixels).convert('L').resize(_THUMBNAIL, Image.Resampling.BOX)
        height, width = pixels.shape[:2]
    except Exception as error:
        raise unreadable(str(path), error) from error
    size = (width, height) if exif_orientation(path) in SIDEWAYS else (height, width)
    return Photo(size, np.asarray(small, np.float32))


def _open_photos(pairs: Pairs, problems: list[Problem], progress: Progress) -> dict[str, Photo]:
    """Return what each photo that can be read looks like."""

    def attempt(item: tuple[str, Path]) -> tuple[str, Photo | Problem]:
        try:
            return item[0], open_photo(item[1])
        except SetupError as error:
            return item[0], error.problem

    photos = {}
    with ThreadPoolExecutor() as pool:
        results = pool.map(attempt, pairs.images.items())
        for name, result in progress(results, len(pairs.images), 'photos'):
            if isinstance(result, Problem):
                problems.append(result)
            else:
                photos[name] = result
    if not photos:
        raise SetupError(problems[-1])
    return photos


def twins(images: Mapping[str, Path], labeled: Collection[str]) -> dict[str, str]:
    """Find photos that are there twice, byte for byte.

    Args:
        images (Mapping[str, Path]): Photos by name.
        labeled (Collection[str]): Names of those with a mask, which are kept.

    Returns:
        dict[str, str]: Name of the photo that is kept, by that of its twin.
    """
    by_size = defaultdict(list)
    for name in sorted(images, key=lambda name: (name not in labeled, name)):
        by_size[images[name].stat().st_size].append(name)
    found = {}
    for names in by_size.values():
        first: dict[str, str] = {}
        for name in names if len(names) > 1 else ():
            kept = first.setdefault(sha256_of(images[name]), name)
            if kept != name:
                found[name] = kept
    return found


def _read_images(
    images: Mapping[str, Path],
    photos: Mapping[str, Photo],
    masks: Mapping[str, Path],
    names: ClassNames | None,
    question: Question,
    problems: list[Problem],
    progress: Progress,
) -> tuple[Encoding, dict[str, np.ndarray]]:
    """Read masks that are images."""
    contents, failed = {}, []
    for name, path in progress(masks.items(), len(masks), 'masks'):
        try:
            content = summarize(path, read_codes(path))
            _check_size(path, content.size, images[name], photos[name].size)
            contents[name] = content
        except SetupError as error:
            failed.append(error.problem)
    problems += failed
    if not contents:
        raise SetupError(failed[0])
    encoding = decide(
        list(contents.values()), names, question.encoding, question.ignored, question.before
    )
    pixels = {name: encoding.count(content) for name, content in contents.items()}
    return encoding, _with_labels(pixels, masks, problems)


def _read_polygons(
    images: Mapping[str, Path],
    photos: Mapping[str, Photo],
    masks: Mapping[str, PolygonMask],
    names: ClassNames | None,
    question: Question,
    problems: list[Problem],
    progress: Progress,
) -> tuple[Encoding, dict[str, np.ndarray]]:
    """Draw masks that are polygons."""
    if question.encoding or question.ignored:
        some = next(iter(masks.values())).path
        what = 'the masks are polygons with labels'
        raise SetupError(Problem(str(some), what, 'leave out --encoding and --ignore'))
    classes = class_list(list(masks.values()), names.names if names else None, question.labels)
    colors = dict(zip(names.names, names.colors)) if names else {}
    palette = [colors.get(*pair) for pair in zip(classes, distinct_colors(len(classes)))]
    encoding = Encoding('polygons', {}, False, classes, palette)
    index = {name: number for number, name in enumerate(classes)}
    pixels, failed = {}, []
    for name, mask in progress(masks.items(), len(masks), 'masks'):
        try:
            _check_size(mask.path, mask.size, images[name], photos[name].size)
            content = summarize(mask.path, Codes(mask.draw(index).astype(np.int32)))
            counts = np.zeros(len(classes) + 1, np.int64)
            for value, number in zip(content.values, content.pixels):
                counts[-1 if value == IGNORE_INDEX else value] += number
            pixels[name] = counts
        except SetupError as error:
            failed.append(error.problem)
    problems += failed
    if not pixels:
        raise SetupError(failed[0])
    return encoding, _with_labels(pixels, masks, problems)


def _check_size(path: Path, mask: Size, image: Path, shown: Size) -> None:
    check_size(str(path), mask, str(image), shown, exif_orientation(image))


def _with_labels(
    pixels: Mapping[str, np.ndarray],
    masks: Mapping[str, Path | PolygonMask],
    problems: list[Problem],
) -> dict[str, np.ndarray]:
    """Leave out masks that are ignored everywhere, which label nothing."""
    kept = {}
    for name, counts in pixels.items():
        if counts[:-1].any():
            kept[name] = counts
        else:
            path = getattr(masks[name], 'path', masks[name])
            what = 'each pixel of the mask is ignored'
            problems.append(Problem(str(path), what, 'label some; the photo counts as unlabelled'))
    if not kept:
        raise SetupError(problems[-1])
    return kept


def mask_suffix(findings: Findings) -> str | None:
    """Tell the suffix with which MMSeg finds the masks where they are.

    Args:
        findings (Findings): What was found.

    Returns:
        str | None: The suffix; None where masks have to be written anew: they hold no class ids, or lie
        elsewhere than their photos.
    """
    if findings.encoding.colored or findings.encoding.what == 'polygons':
        return None
    if any(value != index for value, index in findings.encoding.table.items()):
        return None
    suffixes = set()
    for name, path in findings.masks.items():
        relative = path.relative_to(findings.mask_folder).as_posix()
        if not relative.startswith(name) or path.suffix.lower() not in IMAGE_SUFFIXES:
            return None
        with Image.open(path) as image:
            # `LoadAnnotations` takes whole numbers in one channel.
            if image.mode not in ('1', 'L', 'P') and not image.mode.startswith('I'):
                return None
        suffixes.add(relative[len(name) :])
    return suffixes.pop() if len(suffixes) == 1 else None
