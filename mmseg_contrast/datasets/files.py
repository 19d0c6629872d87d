"""Reading and writing the files of a data set: image folders, lists of names, masks.

A *name* is the path of an image relative to its folder, with ``/`` between folders and without
suffix. The lists of labelled and unlabelled images hold one name per line.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmengine import fileio
from PIL import ExifTags, Image, UnidentifiedImageError

from ..problem import Problem, SetupError
from ..structures.pixel_targets import IGNORE_INDEX

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff')


def list_images(folder: str | Path, suffix: str | None = None) -> dict[str, Path]:
    """Find the images of a folder and of its sub-folders.

    Args:
        folder (str | Path): The folder of images.
        suffix (str, optional): End of the file names to keep and to cut off, e.g.
            ``'_leftImg8bit.png'``. Defaults to None: each usual image suffix.

    Returns:
        dict[str, Path]: Path of each image by its name, sorted by name.

    Raises:
        FileNotFoundError: The folder does not exist or holds no such image.
        ValueError: Two files have the same name.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f'The image folder {folder} does not exist: create or link it, or mend the path.'
        )
    images: dict[str, Path] = {}
    for path in walk_files(folder):
        end = path.suffix if suffix is None else suffix
        if not path.name.endswith(end) or (suffix is None and end.lower() not in IMAGE_SUFFIXES):
            continue
        name = path.relative_to(folder).as_posix()[: -len(end)]
        if name in images:
            raise ValueError(
                f'{images[name]} and {path} have the same name without suffix: keep one of them, '
                'or give the suffix of the images.'
            )
        images[name] = path
    if not images:
        wanted = suffix or ', '.join(IMAGE_SUFFIXES)
        raise FileNotFoundError(
            f'No image with suffix {wanted} in {folder}: put images there, or mend the path.'
        )
    return dict(sorted(images.items()))


def walk_files(folder: str | Path) -> list[Path]:
    """Find the files of a folder and of its sub-folders, linked ones too, but no hidden ones."""
    # `rglob` passes over linked folders, and collections of data are often made of links.
    return sorted(
        Path(place, name)
        for place, _, names in os.walk(folder, followlinks=True)
        for name in names
        if not name.startswith('.')
    )


def read_list(path: str | Path) -> list[str]:
    """Read the non-empty lines of a text file.

    Args:
        path (str | Path): A list with one entry per line.

    Returns:
        list[str]: The entries, without surrounding white space.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file has no entry, or one entry twice.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'The list {path} does not exist: write it with tools/misc/split_dataset.py.'
        )
    entries = [
        line.strip() for line in path.read_text(encoding='utf-8-sig').splitlines() if line.strip()
    ]
    if not entries:
        raise ValueError(f'The list {path} is empty: write one image name per line.')
    if len(set(entries)) < len(entries):
        twice = next(entry for entry in entries if entries.count(entry) > 1)
        raise ValueError(f'The list {path} holds {twice!r} more than once: keep each image once.')
    return entries


def read_mask(
    path: str | Path, backend: str = 'pillow', backend_args: Mapping[str, Any] | None = None
) -> np.ndarray:
    """Read a mask as the stored ids; the colours of a palette image are not looked at.

    Args:
        path (str | Path): An image of one channel, of any number of bits, or with a palette.
        backend (str): Decoder, as of ``mmcv.imfrombytes``.
        backend_args (Mapping[str, Any], optional): Where the file is, as of ``mmengine.fileio.get``.
            Defaults to None: on this disk.

    Returns:
        np.ndarray: Class ids, uint8, shape (H, W).

    Raises:
        FileNotFoundError: There is no such file.
        SetupError: The file is no image, has several channels, or ids that are not in [0, 255].
    """
    path = str(path)
    try:
        mask = mmcv.imfrombytes(fileio.get(path, backend_args), flag='unchanged', backend=backend)
        mask = np.asarray(mask)
    except FileNotFoundError as error:
        remedy = 'add it, or take its image off the labelled list'
        raise FileNotFoundError(str(Problem(path, 'the mask does not exist', remedy))) from error
    except ImportError:
        raise  # of a backend that is not installed
    except Exception as error:
        raise unreadable(path, error) from error
    if mask.ndim == 3 and mask.shape[2] == 1:
        mask = mask[..., 0]
    if mask.ndim == 3:
        colors = len(np.unique(mask.reshape(-1, mask.shape[2]), axis=0))
        what = f'the mask has {mask.shape[2]} channels ({colors} different colours)'
        remedy = 'convert each colour to its class id and save one channel of 8 bits'
        if (mask == mask[..., :1]).all():
            remedy = 'its channels are equal: save one of them'
        raise SetupError(Problem(path, what, remedy))
    if mask.ndim != 2:
        raise unreadable(path, 'no image')
    if mask.dtype.kind not in 'bui':
        what = f'the mask holds numbers of the type {mask.dtype}'
        raise SetupError(Problem(path, what, 'save class ids as 8 bits'))
    for value in (int(mask.min(initial=0)), int(mask.max(initial=0))):
        if not 0 <= value <= IGNORE_INDEX:
            what = f'the mask holds the id {value}, and ids are read as 8 bits, 0 to 255'
            remedy = 'convert the ids to classes and save one channel of 8 bits'
            raise SetupError(Problem(path, what, remedy))
    return mask.astype(np.uint8, copy=False)  # of one bit too


def unreadable(path: str, error: Exception | str) -> SetupError:
    """Say that a file cannot be decoded.

    Args:
        path (str): The file.
        error (Exception | str): What the decoder says.

    Returns:
        SetupError: To raise.
    """
    reason = ' '.join(str(error).split()) or type(error).__name__
    if isinstance(error, UnidentifiedImageError | AssertionError):
        reason = 'no image'
    if os.path.isfile(path) and not os.path.getsize(path):
        reason = 'it is empty'
    if isinstance(error, FileNotFoundError):
        return SetupError(
            Problem(path, 'the file does not exist', 'add it, or take it off the list')
        )
    return SetupError(Problem(path, f'cannot be read ({reason})', 'replace the file'))


def exif_orientation(path: str | Path) -> int:
    """Read how a photo is to be turned or mirrored before it is shown.

    Args:
        path (str | Path): The photo, on this disk.

    Returns:
        int: The EXIF flag, in [1, 8]; 1 where nothing is to be done, or nothing is known.
    """
    if not os.path.isfile(path):
        return 1  # in some store elsewhere
    try:
        with Image.open(path) as image:
            # Pillow would decode a whole PNG to look for the flag behind its pixels.
            if image.format == 'PNG' and 'exif' not in image.info:
                return 1
            flag = image.getexif().get(ExifTags.Base.Orientation, 1)
    except (OSError, SyntaxError, ValueError):
        return 1  # of a format that Pillow does not know
    return flag if flag in range(1, 9) else 1


def classes_of_ids(
    reduce_zero_label: bool = False, label_map: Mapping[int, int] | None = None
) -> np.ndarray:
    """Say which class each stored id is, as ``LoadAnnotations`` reads it.

    Args:
        reduce_zero_label (bool): Whether id 0 is ignored and all others go down by one.
        label_map (Mapping[int, int], optional): Class of each id, after that. Defaults to None: the
            id itself.

    Returns:
        np.ndarray: Class, or 255, by stored id, int64 of shape (256,).
    """
    ids = np.arange(256)
    if reduce_zero_label:
        ids = np.where((ids == 0) | (ids == IGNORE_INDEX), IGNORE_INDEX, ids - 1)
    return np.array([(label_map or {}).get(int(value), value) for value in ids])


def ids_of_classes(classes: np.ndarray, num_classes: int) -> list[int]:
    """Invert :func:`classes_of_ids`: the ids to store, so that a mask is read as it is meant.

    Args:
        classes (np.ndarray): Class, or 255, by stored id, shape (256,).
        num_classes (int): Number of classes C, each of which has an id.

    Returns:
        list[int]: Smallest id of each class, then one that is ignored; C + 1 ids.
    """
    return [
        int(np.flatnonzero(classes == wanted)[0]) for wanted in (*range(num_classes), IGNORE_INDEX)
    ]


def count_pixels(masks: Iterable[np.ndarray], num_classes: int | None = None) -> np.ndarray:
    """Count the pixels of each class in each mask.

    Args:
        masks (Iterable[np.ndarray]): Class ids, uint8, each of shape (H, W); 255 is ignored.
        num_classes (int, optional): Number of classes C. Defaults to None: the largest id, plus 1.

    Returns:
        np.ndarray: Pixel counts, int64, shape (N, C).

    Raises:
        ValueError: A mask holds an id that is neither a class nor 255.
    """
    counts = np.array(
        [np.bincount(mask.ravel(), minlength=256) for mask in masks], dtype=np.int64
    ).reshape(-1, 256)
    highest = int(np.flatnonzero(counts[:, :IGNORE_INDEX].any(axis=0)).max(initial=-1))
    if num_classes is None:
        return counts[:, : highest + 1]
    if highest >= num_classes:
        raise ValueError(
            f'A mask holds the id {highest}, but {num_classes} classes have the ids 0 to '
            f'{num_classes - 1} (255 is ignored): correct the number of classes, or convert '
            'the masks.'
        )
    return counts[:, :num_classes]
