"""Masks drawn from polygons: JSON files of LabelMe and of COCO."""

from __future__ import annotations

import base64
import contextlib
import io
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ..datasets.files import IGNORE_INDEX
from ..problem import Problem, SetupError

#: Class of what no polygon covers.
BACKGROUND = 'background'
_IGNORED = ('__ignore__', 'ignore', 'ignored', 'void')


@dataclass(frozen=True)
class PolygonMask:
    """The polygons of one photo.

    Attributes:
        path (Path): The file that they are in.
        size (tuple[int, int]): Height and width of the photo.
        shapes (Sequence): Label and shape of each polygon, what is drawn last on top.
    """

    path: Path
    size: tuple[int, int]
    shapes: Sequence[tuple[str, Any]]

    @property
    def labels(self) -> set[str]:
        """Names of the classes, without the background."""
        names = {label for label, _ in self.shapes}
        return {name for name in names if name.lower() not in _IGNORED} - {BACKGROUND}

    def draw(self, classes: Mapping[str, int]) -> np.ndarray:
        """Draw the polygons.

        Args:
            classes (Mapping[str, int]): Class of each label.

        Returns:
            np.ndarray: Class of each pixel, 255 where it is ignored, uint8 of shape (H, W).

        Raises:
            SetupError: If a label is no class, or a shape cannot be drawn.
        """
        drawn = np.full(self.size, classes[BACKGROUND], np.uint8)
        for label, shape in self.shapes:
            if label.lower() in _IGNORED:
                index = IGNORE_INDEX
            elif label in classes:
                index = classes[label]
            else:
                what = f'a polygon has the label {label!r}, which is none of the classes'
                raise SetupError(Problem(str(self.path), what, 'add it to the class names'))
            drawn[self._covered(shape)] = index
        return drawn

    def _covered(self, shape: Any) -> np.ndarray:
        """Return which pixels a shape covers, bool of shape (H, W)."""
        if callable(shape):
            return shape().astype(bool)
        kind, points = shape.get('shape_type') or 'polygon', shape.get('points') or []
        points = [tuple(point) for point in points]
        canvas = Image.new('1', self.size[::-1])
        pen = ImageDraw.Draw(canvas)
        if kind == 'polygon' and len(points) > 2:
            pen.polygon(points, fill=1, outline=1)
        elif kind == 'rectangle' and len(points) == 2:
            (left, right), (top, bottom) = (sorted(axis) for axis in zip(*points))
            pen.rectangle((left, top, right, bottom), fill=1)
        elif kind == 'circle' and len(points) == 2:
            (x, y), edge = points
            radius = float(np.hypot(edge[0] - x, edge[1] - y))
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
        elif kind == 'mask' and shape.get('mask') and points:
            stored = Image.open(io.BytesIO(base64.b64decode(shape['mask'])))
            canvas.paste(stored.convert('1'), tuple(round(each) for each in points[0]))
        else:
            what = f'a shape of {shape.get("label")!r} is a {kind} of {len(points)} points, which '
            what += 'covers no area'
            raise SetupError(
                Problem(str(self.path), what, 'draw it as a polygon, or delete the shape')
            )
        return np.asarray(canvas)


def read_json(path: Path) -> dict:
    """Read a JSON file of annotations.

    Args:
        path (Path): The file.

    Returns:
        dict: Its content; empty where it is no object.

    Raises:
        SetupError: If it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8-sig'))
    except (ValueError, OSError) as error:
        what = f'cannot be read as JSON ({" ".join(str(error).split())})'
        raise SetupError(Problem(str(path), what, 'export it again')) from error
    return content if isinstance(content, dict) else {}


def is_labelme(content: Mapping[str, Any]) -> bool:
    """Tell whether JSON holds the polygons of one photo, as LabelMe writes them."""
    return isinstance(content.get('shapes'), list) and 'imagePath' in content


def is_coco(content: Mapping[str, Any]) -> bool:
    """Tell whether JSON holds the polygons of many photos, as COCO does."""
    return all(isinstance(content.get(key), list) for key in ('images', 'annotations'))


def of_labelme(path: Path, content: Mapping[str, Any], size: tuple[int, int]) -> PolygonMask:
    """Take the polygons of a file of LabelMe.

    Args:
        path (Path): The file.
        content (Mapping[str, Any]): What it holds.
        size (tuple[int, int]): Height and width of the photo, where the file does not tell.
    """
    height, width = (content.get(key) or own for key, own in zip(_SIZE, size))
    shapes = [(str(shape.get('label')), shape) for shape in content['shapes']]
    return PolygonMask(path, (int(height), int(width)), shapes)


_SIZE = ('imageHeight', 'imageWidth')


def of_coco(path: Path, photos: Mapping[str, Path]) -> Iterator[tuple[str, PolygonMask]]:
    """Take the polygons of a file of COCO, by the name of their photo.

    Photos without any polygon are passed over: nothing tells whether somebody has looked at them.
    Large polygons are drawn first, so that small ones are seen.

    Args:
        path (Path): The file.
        photos (Mapping[str, Path]): The photos by name.

    Yields:
        tuple[str, PolygonMask]: Name of a photo, and its polygons.

    Raises:
        SetupError: If pycocotools is missing, or the file is no COCO file.
    """
    try:
        from pycocotools.coco import COCO
    except ImportError as error:
        what = 'polygons of COCO are read by pycocotools, which is not installed'
        raise SetupError(Problem(str(path), what, 'pip install pycocotools')) from error
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(path))
        labels = {each['id']: str(each['name']) for each in coco.loadCats(coco.getCatIds())}
        images = coco.loadImgs(coco.getImgIds())
        by_file = {PurePosixPath(str(each['file_name'])): each for each in images}
        by_name = defaultdict(list)
        for file in by_file:
            by_name[file.name.lower()].append(file)
    except (KeyError, TypeError) as error:
        what = f'is no file of COCO ({type(error).__name__}: {error})'
        raise SetupError(Problem(str(path), what, 'export it again')) from error
    for name, photo in photos.items():
        files = by_name.get(photo.name.lower(), [])
        if len(files) > 1:
            tails = [f for f in files if photo.as_posix().lower().endswith(str(f).lower())]
            files = tails or files
        if len(files) != 1:
            continue
        image = by_file[files[0]]
        found = coco.loadAnns(coco.getAnnIds(imgIds=[image['id']]))
        found = [each for each in found if each.get('segmentation')]
        if not found:
            continue
        found.sort(key=lambda each: -float(each.get('area') or coco.annToMask(each).sum()))
        shapes = []
        for each in found:
            label = '__ignore__' if each.get('iscrowd') else labels.get(each['category_id'])
            # pycocotools draws polygons and both kinds of run lengths
            shapes.append((str(label), lambda each=each: coco.annToMask(each)))
        yield name, PolygonMask(path, (int(image['height']), int(image['width'])), shapes)


def class_list(
    masks: Sequence[PolygonMask], given: Sequence[str] | None = None, before: Sequence[str] = ()
) -> list[str]:
    """List the classes of polygons: the background first, then the labels.

    Args:
        masks (Sequence[PolygonMask]): The polygons.
        given (Sequence[str], optional): Names in their order, with the background or without. Defaults
            to None: sorted.
        before (Sequence[str]): Classes of an earlier time, which new ones follow.

    Raises:
        SetupError: If a label is not among the names that are given.
    """
    labels = set().union(*(mask.labels for mask in masks))
    if given is None:
        first = before or [BACKGROUND]
        return [*first, *sorted(labels - set(first))]
    for mask in masks:
        for label in sorted(mask.labels - set(given)):
            what = f'a polygon has the label {label!r}, which is none of the class names'
            raise SetupError(Problem(str(mask.path), what, 'add it to them, or rename the label'))
    return list(given) if BACKGROUND in given else [BACKGROUND, *given]
