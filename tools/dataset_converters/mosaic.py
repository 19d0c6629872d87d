"""Write the embedded data set: textured grounds with shapes and handwritten digits on them."""

import argparse
import json
import os
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from mmseg_contrast.datasets.files import count_pixels
from mmseg_contrast.datasets.mosaic_generator import (
    CLASSES,
    DOMAINS,
    SPLITS,
    MosaicConfig,
    draw_images,
)
from mmseg_contrast.datasets.splits import (
    Manifest,
    class_counts,
    class_table,
    labeled_count,
    make_split,
    random_order,
    stratified_order,
    write_splits,
)
from mmseg_contrast.version import __version__

EXAMPLE = """\
examples:
  python tools/dataset_converters/mosaic.py data/mosaic
  python tools/dataset_converters/mosaic.py data/mosaic_night --domain night --seed 1
"""
RECORD = 'mosaic.json'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    show = '(default: %(default)s)'
    parser.add_argument('root', type=Path, help='folder to write')
    parser.add_argument('--size', type=int, default=96, help=f'height and width {show}')
    parser.add_argument('--train', type=int, default=400, help=f'training images {show}')
    parser.add_argument('--val', type=int, default=100, help=f'validation images {show}')
    parser.add_argument('--labeled', default='8', help=f'labelled training images {show}')
    parser.add_argument('--difficulty', type=float, default=0.1, help=f'from 0 to 1 {show}')
    parser.add_argument('--domain', choices=DOMAINS, default='day', help=f'light {show}')
    parser.add_argument('--seed', type=int, default=0, help=f'seed {show}')
    parser.add_argument('--force', action='store_true', help='replace mosaics that are there')
    return parser.parse_args(argv)


def write(folder: Path, config: MosaicConfig, counts: dict[str, int], labeled: str) -> str:
    """Write images, masks and lists, and describe them.

    Args:
        folder (Path): Where to write.
        config (MosaicConfig): How to draw.
        counts (dict[str, int]): Number of images of each split.
        labeled (str): Count or fraction of labelled training images.

    Returns:
        str: Table of the classes in the training images.
    """
    names, pixels = [], []
    for split, count in counts.items():
        images, masks = folder / 'images' / split, folder / 'annotations' / split
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        drawn = tqdm(draw_images(config, split, count), split, total=count, leave=False)
        for name, image, mask in drawn:
            Image.fromarray(image).save(images / f'{name}.png')
            Image.fromarray(mask).save(masks / f'{name}.png')
            if split == 'train':
                names.append(name)
                pixels.append(count_pixels([mask], len(CLASSES))[0])
    order = stratified_order(random_order(len(names), (config.seed, 0)), np.array(pixels))
    chosen = order[: labeled_count(labeled, len(names))]
    manifest = Manifest(
        'mosaic',
        0,
        labeled.replace('/', 'by'),
        'stratified, see tools/misc/split_dataset.py',
        config.seed,
        class_counts(np.array(pixels)[chosen]),
    )
    write_splits(folder / 'lists', [(manifest, make_split(names, order, len(chosen)))])
    return class_table(class_counts(np.array(pixels)), CLASSES)


def main(argv: list[str] | None = None) -> None:
    """Write the data set, unless it is there."""
    args = parse_args(argv)
    config = MosaicConfig(args.size, args.difficulty, args.domain, args.seed)
    counts = dict(zip(SPLITS, (args.train, args.val)))
    if min(counts.values()) < 1:
        raise ValueError(f'--train {args.train} --val {args.val}: give 1 image or more for each.')
    labeled_count(args.labeled, args.train)  # complain before any work
    arguments = {**asdict(config), **counts, 'labeled': args.labeled, 'version': __version__}
    record = json.dumps(arguments, indent=2) + '\n'

    root: Path = args.root
    if root.exists() and not root.is_dir():
        raise FileExistsError(f'{root} is a file: give another folder.')
    if root.is_dir() and any(root.iterdir()):
        old = root / RECORD
        if not old.is_file():
            raise FileExistsError(f'{root} holds something else: give another folder.')
        if not args.force and old.read_text(encoding='utf-8') == record:
            print(f'The data set is in {root} already.')
            return
        if not args.force:
            raise FileExistsError(
                f'{root} holds mosaics of other arguments (see {old}): give another folder, or '
                'add --force to replace them.'
            )

    # Written beside its place and moved there at the end: a folder with its name is complete.
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f'.{root.name}.') as temporary:
        new = Path(temporary, 'new')
        table = write(new, config, counts, args.labeled)
        (new / RECORD).write_text(record, encoding='utf-8')
        if root.exists():
            shutil.move(root, Path(temporary, 'old'))
        os.replace(new, root)
    print(f'{args.train} training and {args.val} validation images written to {root}.\n{table}')


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f'{type(error).__name__}: {error}')
