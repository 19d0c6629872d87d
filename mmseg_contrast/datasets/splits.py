"""Dividing a data set into labelled and unlabelled images.

One permutation of the images is drawn per fold; the labelled list of any size is its beginning.
So smaller lists are prefixes of larger ones, and results for several label fractions differ by the
added labels alone.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath

import numpy as np

from ..files import sha256_of, write_file
from ..version import __version__
from .files import IMAGE_SUFFIXES


@dataclass(frozen=True)
class Protocol:
    """Rule of a publication for drawing labelled lists.

    Attributes:
        total (int): Number of training images that the rule is defined for.
        seeds (tuple[int, ...]): Seed of each fold.
        counts (dict[str, int]): Number of labelled images of each fraction.
    """

    total: int
    seeds: tuple[int, ...]
    counts: dict[str, int]


# French et al., BMVC 2020, used by C3-SemiSeg: Cityscapes, images sorted by 'city/stem'.
FRENCH = Protocol(2975, (12345, 23456, 34567), {'1/30': 100, '1/8': 372, '1/4': 744})


@dataclass(frozen=True)
class Split:
    """A labelled list and the rest.

    Attributes:
        labeled (list[str]): Names of the labelled images, in the order of the permutation.
        unlabeled (list[str]): Names of all other images, sorted.
    """

    labeled: list[str]
    unlabeled: list[str]


@dataclass(frozen=True)
class Manifest:
    """How a split came about, and hashes to recognise it by.

    Attributes:
        dataset (str): Name of the data set.
        fold (int): Number of the fold.
        fraction (str): Label of the fraction, as in the file names.
        rule (str): The rule in words.
        seed (int | None): Seed of the rule, None where a published list was converted.
        classes (dict[str, list[int]] | None): ``pixels`` and ``images`` of each class in the
            labelled list.
    """

    dataset: str
    fold: int
    fraction: str
    rule: str
    seed: int | None = None
    classes: dict[str, list[int]] | None = None


def labeled_count(amount: str, total: int, others: int = 0) -> int:
    """Turn a count or a fraction into a number of images.

    Args:
        amount (str): A count (``'12'``), a fraction (``'1/30'``), a decimal (``'0.125'``), or a count
            under the name of a fraction that papers round in their own way (``'1/15=200'``).
        total (int): Number of images that can be labelled.
        others (int): Number of images that cannot, since they have no mask. Defaults to 0.

    Returns:
        int: Number of labelled images, in [1, total], and fewer than all; fractions, of those that can be
        labelled, are rounded to the nearest.

    Raises:
        ValueError: ``amount`` is no such number, or leaves one of the lists empty.
    """
    try:
        value = Fraction(amount.rpartition('=')[2])
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(
            f'{amount!r} is no amount of labels: give a count (12), a fraction (1/30) or a count with '
            'the name of a fraction (1/15=200).'
        ) from error
    count = int(value * total + Fraction(1, 2)) if 0 < value < 1 else int(value)
    most = total if others else total - 1
    if not 0 < count <= most or (value > 1 and value != count):
        with_mask = ' with a mask' if others else ''
        raise ValueError(
            f'{amount} of {total} images{with_mask} cannot be labelled: give a count from 1 to {most}, '
            'or a fraction that leaves images on both sides.'
        )
    return count


def fraction_label(amount: str) -> str:
    """Write an amount of labels as file names do: ``1/30`` is ``1by30``, ``1/15=200`` is ``1by15``."""
    return amount.partition('=')[0].strip().replace('/', 'by')


def random_order(total: int, seed: int | Sequence[int]) -> np.ndarray:
    """Draw a permutation that is the same on every machine.

    Args:
        total (int): Number of images.
        seed (int | Sequence[int]): Seed, or seed and fold.

    Returns:
        np.ndarray: The numbers 0 to ``total - 1``, permuted.
    """
    return np.random.RandomState(seed).permutation(total)


def stratified_order(order: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Move images to the front of a permutation, so that its beginning shows each class.

    First a greedy cover: the image with the most classes not seen yet, the first of the
    permutation among equals. Then, from the rarest class on, for each class that no chosen image
    shows at its median size or larger, the first image that does. All others follow in the order
    given.

    Args:
        order (np.ndarray): Permutation of the images, shape (N,).
        pixels (np.ndarray): Pixels of each class in each image, shape (N, C).

    Returns:
        np.ndarray: The new permutation, shape (N,).
    """
    present = pixels > 0
    images = present.sum(axis=0)
    medians = np.array(
        [np.median(column[column > 0]) if column.any() else np.inf for column in pixels.T]
    )
    large = pixels >= medians

    chosen: list[int] = []
    missing = images > 0
    while missing.any():
        gains = present[order][:, missing].sum(axis=1)
        chosen.append(int(order[gains.argmax()]))
        missing &= ~present[chosen[-1]]
    for index in np.argsort(images, kind='stable'):
        if images[index] and not large[chosen, index].any():
            chosen.append(int(order[large[order, index].argmax()]))
    rest = order[~np.isin(order, chosen)]
    return np.concatenate([np.array(chosen, dtype=order.dtype), rest])


def make_split(names: Sequence[str], order: np.ndarray, count: int) -> Split:
    """Label the first images of a permutation.

    Args:
        names (Sequence[str]): All image names.
        order (np.ndarray): Permutation of their positions.
        count (int): Number of labelled images.

    Returns:
        Split: Both lists.
    """
    return split_by_names(names, [names[index] for index in order[:count]])


def split_by_names(names: Sequence[str], labeled: Sequence[str]) -> Split:
    """Complete a labelled list by the list of all other images."""
    known = set(labeled)
    return Split(list(labeled), sorted(name for name in names if name not in known))


def match_names(entries: Sequence[str], names: Sequence[str]) -> list[str]:
    """Find the images that the lines of a published list mean.

    A line is ``image``, or ``image mask`` (blank or tab between). Its image may carry other folders
    in front, or none, and a suffix; the longest end of the path that is a name of the data set, or
    the end of one, decides.

    Args:
        entries (Sequence[str]): Lines of the list.
        names (Sequence[str]): Image names of the data set.

    Returns:
        list[str]: The name for each line.

    Raises:
        ValueError: A line fits no image, several images, or an image that another line has.
    """
    by_end: dict[str, list[str]] = defaultdict(list)
    for name in names:
        parts = PurePosixPath(name).parts
        for start in range(len(parts)):
            by_end['/'.join(parts[start:])].append(name)

    matched: dict[str, str] = {}
    for entry in entries:
        parts = [part for part in PurePosixPath(entry.split()[0]).parts if part != '/']
        # The suffix may be more than the extension (`_leftImg8bit.png`).
        stem = re.sub('|'.join(f'{re.escape(end)}$' for end in IMAGE_SUFFIXES), '', parts[-1])
        stems = [stem] + [stem[:cut] for cut in range(len(stem) - 1, 0, -1) if stem[cut] == '_']
        ends = ['/'.join([*parts[start:-1], each]) for start in range(len(parts)) for each in stems]
        hits = next((by_end[end] for end in ends if end in by_end), [])
        if len(hits) != 1:
            raise ValueError(
                f'The line {entry!r} fits {len(hits)} images of the data set instead of one: give '
                'the image folder and the image suffix of the data set that the list was made for.'
            )
        if hits[0] in matched:
            raise ValueError(
                f'{entry!r} and {matched[hits[0]]!r} mean the same image {hits[0]}: keep one line.'
            )
        matched[hits[0]] = entry
    return list(matched)


def check_no_leak(
    train: Mapping[str, Path | None], val: Mapping[str, Path | None], by_name: bool = True
) -> None:
    """Refuse training images that are also used for validation.

    Args:
        train (Mapping[str, Path | None]): Training images by name; None where no file is known.
        val (Mapping[str, Path | None]): The same of the validation images.
        by_name (bool): Whether equal names alone mean the same image. Defaults to True.

    Raises:
        ValueError: A name is in both sets, or two files have the same content.
    """
    shared = sorted(train.keys() & val.keys()) if by_name else []
    if shared:
        raise ValueError(
            f'{len(shared)} of the training images are validation images as well, the first is '
            f'{shared[0]!r}: take them off one side, or, where they are different pictures of one '
            'name, compare contents alone (--same-names-differ).'
        )
    by_size: dict[int, list[tuple[str, Path]]] = defaultdict(list)
    for name, path in val.items():
        if path is not None:
            by_size[path.stat().st_size].append((name, path))
    hashes: dict[Path, str] = {}
    for name, path in train.items():
        # Only files of equal size can be equal, so hardly any file is read.
        for val_name, val_path in by_size.get(path.stat().st_size, []) if path is not None else []:
            if val_path not in hashes:
                hashes[val_path] = sha256_of(val_path)
            if sha256_of(path) == hashes[val_path]:
                raise ValueError(
                    f'The training image {name!r} and the validation image {val_name!r} have the '
                    'same content: take one of them away.'
                )


def class_counts(pixels: np.ndarray) -> dict[str, list[int]]:
    """Sum up the pixels of each class, and the images that show it.

    Args:
        pixels (np.ndarray): Pixels of each class in each image, shape (N, C).

    Returns:
        dict[str, list[int]]: ``pixels`` and ``images``, C numbers each.
    """
    return {'pixels': pixels.sum(axis=0).tolist(), 'images': (pixels > 0).sum(axis=0).tolist()}


def class_table(counts: Mapping[str, Sequence[int]], names: Sequence[str] | None = None) -> str:
    """Write class counts as a table.

    Args:
        counts (Mapping[str, Sequence[int]]): Result of :func:`class_counts`.
        names (Sequence[str], optional): Class names. Defaults to None: ids alone.

    Returns:
        str: One line per class: id, name, images, pixels, share of all labelled pixels.
    """
    names = names or [''] * len(counts['pixels'])
    width = max([5, *map(len, names)])
    total = max(1, sum(counts['pixels']))
    lines = [f'{"id":>3} {"class":<{width}} {"images":>7} {"pixels":>13} {"share":>7}']
    rows = zip(names, counts['images'], counts['pixels'])
    for index, (name, images, pixels) in enumerate(rows):
        share = pixels / total
        lines.append(f'{index:>3} {name:<{width}} {images:>7} {pixels:>13,} {share:>7.2%}')
    return '\n'.join(lines)


def write_splits(
    folder: str | Path, splits: Sequence[tuple[Manifest, Split]], force: bool = False
) -> list[Path]:
    """Write the lists and manifests of splits.

    A split makes ``{dataset}.{fold}@{fraction}.txt``, ``...-unlabeled.txt`` and ``....json``. Lists
    that are there already with the same content stay as they are.

    Args:
        folder (str | Path): Where to write.
        splits (Sequence[tuple[Manifest, Split]]): The splits.
        force (bool): Whether to replace other lists. Defaults to False.

    Returns:
        list[Path]: Files written; empty when all were there.

    Raises:
        FileExistsError: Another list is there. Nothing is written then.
    """
    files: dict[Path, str] = {}
    for manifest, split in splits:
        stem = f'{manifest.dataset}.{manifest.fold}@{manifest.fraction}'
        lists = [
            ''.join(f'{name}\n' for name in names) for names in (split.labeled, split.unlabeled)
        ]
        paths = [Path(folder, f'{stem}.txt'), Path(folder, f'{stem}-unlabeled.txt')]
        stale = False
        for path, text in zip(paths, lists):
            old = path.read_text(encoding='utf-8') if path.is_file() else None
            if old not in (None, text) and not force:
                raise FileExistsError(
                    f'{path} exists and holds other images: write elsewhere, or add --force.'
                )
            stale |= old != text
        path = Path(folder, f'{stem}.json')
        if stale or not path.is_file():
            everything = sorted(split.labeled + split.unlabeled)
            content = {
                **asdict(manifest),
                'counts': {
                    'total': len(everything),
                    'labeled': len(split.labeled),
                    'unlabeled': len(split.unlabeled),
                },
                'sha256': {
                    'labeled': sha256_of(lists[0]),
                    'unlabeled': sha256_of(lists[1]),
                    'names': sha256_of('\n'.join(everything)),
                },
                'version': f'mmseg_contrast {__version__}',
            }
            files.update(zip(paths, lists))
            files[path] = json.dumps(content, indent=2) + '\n'
    for path, text in files.items():
        write_file(path, text)
    return list(files)
