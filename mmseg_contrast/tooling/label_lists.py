"""Lists of labelled and of all other images, for a chain with another number of labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmseg.registry import DATASETS

from ..datasets.files import list_images, read_list
from ..datasets.splits import (
    Manifest,
    labeled_count,
    make_split,
    match_names,
    random_order,
    split_by_names,
    write_splits,
)


def draw_lists(
    sources: Sequence[Mapping[str, Any]],
    labels: str,
    fold: int,
    train_list: str | None,
    folder: Path,
) -> tuple[Path, Path]:
    """Write a labelled list and the list of all other images.

    The draw is that of ``tools/misc/split_dataset.py`` with the same images and fold, so lists of
    fewer labels are the beginning of those of more.

    Args:
        sources (Sequence[Mapping[str, Any]]): Configs of the labelled and of the other images.
        labels (str): A number of labels, or a list of the labelled images.
        fold (int): Number of the draw.
        train_list (str, optional): List of all training images, '' for all of the folder; None: those
            of both sources.
        folder (Path): Where to write.

    Returns:
        tuple[Path, Path]: Both lists.

    Raises:
        FileNotFoundError: If the images or their list are not there.
        ValueError: If ``labels`` is neither, or leaves one of the lists empty.
    """
    labeled, _ = sources
    if train_list is None:
        paths = [Path(each.get('data_root') or '', each['ann_file']) for each in sources]
        names = sorted({name for path in paths for name in read_list(path)})
    elif train_list:
        names = sorted(read_list(train_list))
    else:
        built = DATASETS.build({**labeled, 'pipeline': [], 'lazy_init': True})
        names = list(list_images(built.data_prefix['img_path'], built.img_suffix))
    if labels.isdigit():
        order = random_order(len(names), (0, fold))
        split = make_split(names, order, labeled_count(labels, len(names)))
        rule = 'first names of RandomState((seed, fold)).permutation, sorted names'
        manifest = Manifest('labels', fold, labels, rule, seed=0)
    elif Path(labels).is_file():
        split = split_by_names(names, match_names(read_list(labels), names))
        manifest = Manifest('labels', fold, str(len(split.labeled)), f'given by {labels}')
    else:
        raise ValueError(f'--labels {labels}: give a number of images, or a list that is there')
    if not split.unlabeled:
        raise ValueError(f'--labels {labels}: no image is left to pseudo-label')
    write_splits(folder, [(manifest, split)], force=True)
    stem = f'{manifest.dataset}.{fold}@{manifest.fraction}'
    return folder / f'{stem}.txt', folder / f'{stem}-unlabeled.txt'
