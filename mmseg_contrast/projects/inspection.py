"""What folders of photos and masks hold: what can be used, what cannot, and what the masks mean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from ..datasets.files import IGNORE_INDEX, IMAGE_SUFFIXES, exif_orientation, unreadable
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


@dataclass(frozen=True)
class Question:
    """What the user says of the folders beside where they are.

    Attributes:
        classes (Sequence[str]): Class names, or one file of them.
        encoding (str | None): What the numbers of the masks mean, as of :func:`decide`.
        ignored (Collection[int | Color] | None): Numbers and colours that are no class.
        mask_suffix (str | None): End of the file names of masks.
        before (Mapping[int, int] | None): Class of each number at an earlier time.
    """

    classes: Sequence[str] = ()
    encoding: str | None = None
    ignored: Collection[int | Color] | None = None
    mask_suffix: str | None = None
    before: Mapping[int, int] | None = None


@dataclass(frozen=True)
class Findings:
    """What can be used of the folders.

    Attributes:
        images (dict[str, Path]): Photos that can be read, by name.
        suffix (str): Suffix of all photos, or ``''`` where names have theirs.
        sizes (dict[str, tuple[int, int]]): Their heights and widths as shown.
        masks (dict[str, Path | PolygonMask]): Usable masks by the name of their photo.
        pixels (dict[str, np.ndarray]): Pixels of each class in each mask, then those that are ignored.
        encoding (Encoding): What the numbers of the masks mean.
        class_source (str): Where the class names come from; '' where they are made up.
        problems (list[Problem]): Files that are left out.
    """

    images: dict[str, Path]
    suffix: str
    sizes: dict[str, Size]
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
    image_folder: Path,
    mask_path: Path,
    question: Question = Question(),
    progress: Progress = lambda each, number, what: each,
) -> Findings:
    """Open all photos and masks, and find out what they are.

    Args:
        image_folder (Path): Folder of the photos.
        mask_path (Path): Folder of the masks, or a file of COCO.
        question (Question): What the user says.
        progress (Progress): A progress bar.

    Returns:
        Findings: What can be used, and what not.

    Raises:
        FileNotFoundError: If a folder is not there or empty.
        SetupError: If no photo has a mask, or the masks do not tell what they mean.
    """
    pairs, masks = find_pairs(image_folder, mask_path, question.mask_suffix)
    problems = list(pairs.problems)
    sizes = _open_photos(pairs, problems, progress)
    images = {name: path for name, path in pairs.images.items() if name in sizes}
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
    folder = mask_path if mask_path.is_dir() else mask_path.parent
    names = class_names(question.classes, (folder, image_folder, folder.parent))
    read = _read_polygons if polygons else _read_images
    encoding, pixels = read(images, sizes, masks, names, question, problems, progress)
    masks = {name: mask for name, mask in masks.items() if name in pixels}
    source = names.source if names else 'the labels of the polygons' if polygons else ''
    return Findings(images, pairs.suffix, sizes, masks, pixels, encoding, source, problems)


def find_pairs(
    image_folder: Path, mask_path: Path, ending: str | None = None
) -> tuple[Pairs, dict[str, Path | PolygonMask]]:
    """Find the photos, and the mask of each that has one, without opening images.

    Args:
        image_folder (Path): Folder of the photos.
        mask_path (Path): Folder of the masks, or a file of COCO.
        ending (str, optional): End of the file names of masks.

    Returns:
        tuple[Pairs, dict[str, Path | PolygonMask]]: Photos and what is left out; masks by name.

    Raises:
        FileNotFoundError: If a folder is not there or empty.
        SetupError: If no photo has a mask.
    """
    if mask_path.is_file():
        files, folder = [mask_path], mask_path.parent
        if mask_path.suffix.lower() != '.json':
            what = 'it is a file, and no JSON'
            raise SetupError(Problem(str(mask_path), what, 'give the folder of the masks'))
    else:
        files, folder = find_masks(mask_path, ending), mask_path
    photos = find_photos(image_folder, [folder])
    stems = {each.stem.lower() for each in photos}
    collections = []
    for path in [path for path in files if path.suffix.lower() == '.json']:
        if path != mask_path and path.stem.lower() in stems:
            continue  # of LabelMe, one for each photo
        files.remove(path)
        if is_coco(read_json(path)):
            collections.append(path)
        elif path == mask_path:
            what = 'it is JSON, but not of COCO'
            raise SetupError(Problem(str(path), what, 'give the folder of the masks'))
    pairs = pair(photos, image_folder, files, folder)
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
    require_masks(pairs, image_folder, [*files, *collections], mask_path)
    return pairs, masks


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
            return of_labelme(path, content, size_of(pairs.images[name]))
        except SetupError:
            return None  # a photo that cannot be read, told with the photos
    return None


def size_of(path: Path) -> Size:
    """Read a photo to its end, as far as that is needed to know that it is whole.

    Args:
        path (Path): The photo.

    Returns:
        tuple[int, int]: Its height and width as shown, turned by its EXIF flag.

    Raises:
        SetupError: If it cannot be read.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            # A JPEG is decoded at an eighth of its size, which takes a tenth of the time.
            image.draft('RGB', (width // 8, height // 8))
            image.load()
    except Exception as error:
        raise unreadable(str(path), error) from error
    return (width, height) if exif_orientation(path) in SIDEWAYS else (height, width)


def _open_photos(pairs: Pairs, problems: list[Problem], progress: Progress) -> dict[str, Size]:
    """Return the size of each photo that can be read."""

    def attempt(item: tuple[str, Path]) -> tuple[str, Size | Problem]:
        try:
            return item[0], size_of(item[1])
        except SetupError as error:
            return item[0], error.problem

    sizes = {}
    with ThreadPoolExecutor() as pool:
        results = pool.map(attempt, pairs.images.items())
        for name, result in progress(results, len(pairs.images), 'photos'):
            if isinstance(result, Problem):
                problems.append(result)
            else:
                sizes[name] = result
    if not sizes:
        raise SetupError(problems[-1])
    return sizes


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
    sizes: Mapping[str, Size],
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
            _check_size(path, content.size, images[name], sizes[name])
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
    sizes: Mapping[str, Size],
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
    classes = class_list(list(masks.values()), names.names if names else None)
    colors = dict(zip(names.names, names.colors)) if names else {}
    palette = [colors.get(*pair) for pair in zip(classes, distinct_colors(len(classes)))]
    encoding = Encoding('polygons', {}, False, classes, palette)
    index = {name: number for number, name in enumerate(classes)}
    pixels, failed = {}, []
    for name, mask in progress(masks.items(), len(masks), 'masks'):
        try:
            _check_size(mask.path, mask.size, images[name], sizes[name])
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


def mask_suffix(findings: Findings, folder: Path) -> str | None:
    """Tell the suffix with which MMSeg finds the masks where they are.

    Args:
        findings (Findings): What was found.
        folder (Path): Folder of the masks.

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
        relative = path.relative_to(folder).as_posix()
        if not relative.startswith(name) or path.suffix.lower() not in IMAGE_SUFFIXES:
            return None
        suffixes.add(relative[len(name) :])
    return suffixes.pop() if len(suffixes) == 1 else None
