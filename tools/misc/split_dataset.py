"""Write lists of labelled and unlabelled images."""

import argparse
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mmseg_contrast.datasets.files import (
    IMAGE_SUFFIXES,
    count_pixels,
    list_images,
    read_list,
    read_mask,
)
from mmseg_contrast.datasets.splits import (
    FRENCH,
    Manifest,
    Split,
    check_no_leak,
    class_counts,
    class_table,
    fraction_label,
    labeled_count,
    match_names,
    random_order,
    split_by_names,
    stratified_order,
    write_splits,
)

EXAMPLE = """\
examples:
  # 12, 46 and 92 of 367 images, three draws, each class in each list
  python tools/misc/split_dataset.py --dataset camvid --images data/camvid/images/train \\
      --masks data/camvid/annotations/train --classes 11 --val data/camvid/images/val \\
      --labeled 1/30 1/8 1/4 --fold 0 1 2 --stratified --out data_lists/camvid
  # a folder of images and eight labels
  python tools/misc/split_dataset.py --dataset mine --images data/mine/images --labeled 8 \\
      --out data_lists/mine
  # the draws of French et al. for Cityscapes, as used by C3-SemiSeg
  python tools/misc/split_dataset.py --protocol french --dataset cityscapes --fold 0 1 2 \\
      --images data/cityscapes/leftImg8bit/train --image-suffix _leftImg8bit.png \\
      --out data_lists/cityscapes
  # as many images as the memory bank's paper has
  python tools/misc/split_dataset.py --dataset cityscapes \\
      --images data/cityscapes/leftImg8bit/train --image-suffix _leftImg8bit.png \\
      --labeled 1/15=200 1/6=500 1/3=1000 --out data_lists/cityscapes
  # a published list
  python tools/misc/split_dataset.py --protocol u2pl --from-list labeled.txt --labeled 1/8 \\
      --dataset cityscapes \\
      --images data/cityscapes/leftImg8bit/train --image-suffix _leftImg8bit.png \\
      --out data_lists/cityscapes
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--dataset', required=True, help='name that the files begin with')
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--images', type=Path, help='folder of the training images')
    source.add_argument('--names', type=Path, help='list of the training images, one name per line')
    parser.add_argument(
        '--image-suffix', help='end of image file names to cut off, e.g. _leftImg8bit.png'
    )
    parser.add_argument(
        '--masks',
        type=Path,
        help='folder of masks of class ids: labelled images are drawn among those that have one, and '
        'their classes counted',
    )
    parser.add_argument(
        '--mask-suffix', default='.png', help='end of mask file names (default: %(default)s)'
    )
    parser.add_argument('--classes', type=int, help='number of classes (default: from the masks)')
    parser.add_argument(
        '--val', type=Path, help='folder or list of validation images that must not be in the lists'
    )
    parser.add_argument(
        '--same-names-differ',
        action='store_true',
        help='do not take equal names for equal images in --val',
    )
    parser.add_argument(
        '--labeled', nargs='+', help='counts, fractions, or both: 12, 1/30, 1/15=200'
    )
    parser.add_argument(
        '--fold', nargs='+', type=int, default=[0], help='numbers of the draws (default: 0)'
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of all folds (default: %(default)s)'
    )
    parser.add_argument(
        '--stratified', action='store_true', help='let each class appear (needs --masks)'
    )
    parser.add_argument(
        '--protocol',
        choices=['french', 'u2pl', 'cps', 'classic'],
        help='a published rule (french), or the origin of the list that --from-list converts',
    )
    parser.add_argument(
        '--from-list', type=Path, help='published list of labelled images ("image" or "image mask")'
    )
    parser.add_argument('--out', type=Path, required=True, help='folder of the lists')
    parser.add_argument('--force', action='store_true', help='replace lists that differ')
    args = parser.parse_args(argv)
    if args.stratified and args.masks is None:
        parser.error('--stratified needs the masks: add --masks FOLDER')
    if args.stratified and args.protocol:
        parser.error('--stratified and --protocol exclude each other: a protocol has its own rule')
    if (args.from_list is None) != (args.protocol in (None, 'french')):
        parser.error('--from-list goes with --protocol u2pl, cps or classic')
    if args.protocol != 'french' and not args.labeled:
        parser.error('--labeled is missing: give counts or fractions')
    if args.from_list and (len(args.labeled) > 1 or len(args.fold) > 1):
        parser.error('--from-list converts one list: give one --labeled and one --fold')
    return args


def read_pixels(masks: Path, suffix: str, names: list[str], classes: int | None) -> np.ndarray:
    """Count the class pixels of each named mask, with a progress bar."""
    bar = tqdm(names, desc='masks', unit='mask', leave=False)
    return count_pixels((read_mask(masks / f'{name}{suffix}') for name in bar), classes)


def bare_name(entry: str, suffix: str | None) -> str:
    """Cut the image suffix off a list entry, if it has one."""
    if suffix and entry.endswith(suffix):
        return entry[: -len(suffix)]
    end = Path(entry).suffix
    return entry[: -len(end)] if end.lower() in IMAGE_SUFFIXES else entry


def with_mask(masks: Path, suffix: str, names: list[str]) -> list[str]:
    """Return the names that have a mask."""
    found = [name for name in names if (masks / f'{name}{suffix}').is_file()]
    if not found:
        raise FileNotFoundError(
            f'None of the {len(names)} images has a mask; that of {names[0]} would be '
            f'{masks / names[0]}{suffix}: mend --masks or --mask-suffix.'
        )
    if len(found) < len(names):
        print(
            f'{len(found)} of {len(names)} images have a mask: labelled ones are drawn among these.'
        )
    return found


def draw(
    args: argparse.Namespace, names: list[str], able: list[str], pixels: np.ndarray | None
) -> list[tuple[Manifest, Split]]:
    """Make the splits that the command line asks for; ``pixels`` are those of the images in ``able``."""
    if args.from_list:
        labeled = match_names(read_list(args.from_list), names)
        if bare := sorted(set(labeled) - set(able)):
            raise FileNotFoundError(
                f'{len(bare)} images of {args.from_list} have no mask in {args.masks}, the first is '
                f'{bare[0]}: add the masks, or take the lines off the list.'
            )
        rule = f'converted from a published list ({args.protocol})'
        manifest = Manifest(
            f'{args.protocol}_{args.dataset}', args.fold[0], fraction_label(args.labeled[0]), rule
        )
        return [(manifest, split_by_names(names, labeled))]

    if args.protocol == 'french':
        if len(able) != FRENCH.total:
            raise ValueError(
                f'The protocol of French et al. is for {FRENCH.total} training images, but there '
                f'are {len(able)}: give the whole training folder and --image-suffix.'
            )
        unknown = [amount for amount in args.labeled or [] if amount not in FRENCH.counts]
        if unknown or not all(0 <= fold < len(FRENCH.seeds) for fold in args.fold):
            raise ValueError(
                'The protocol of French et al. has --labeled 1/30, 1/8, 1/4 and --fold 0, 1, 2: '
                'choose among these.'
            )

    splits = []
    for fold in args.fold:
        if args.protocol == 'french':
            seed, counts = FRENCH.seeds[fold], FRENCH.counts
            counts = {amount: counts[amount] for amount in args.labeled or counts}
            order = random_order(len(able), seed)
            rule = 'French et al.: first names of RandomState(seed).permutation, sorted names'
        else:
            seed = args.seed
            others = len(names) - len(able)
            counts = {amount: labeled_count(amount, len(able), others) for amount in args.labeled}
            order = random_order(len(able), (seed, fold))
            rule = 'first names of RandomState((seed, fold)).permutation, sorted names'
            rule += ' of the images with a mask' if others else ''
        if args.stratified:
            order = stratified_order(order, pixels)
            rule += ', after images chosen from it so that each class appears'
        for amount, count in counts.items():
            classes = None if pixels is None else class_counts(pixels[order[:count]])
            labeled = [able[index] for index in order[:count]]
            manifest = Manifest(args.dataset, fold, fraction_label(amount), rule, seed, classes)
            splits.append((manifest, split_by_names(names, labeled)))
    return splits


def main(argv: list[str] | None = None) -> None:
    """Write the lists, or explain why not."""
    args = parse_args(argv)
    images = (
        list_images(args.images, args.image_suffix)
        if args.images
        else dict.fromkeys(read_list(args.names))
    )
    names = sorted(images)
    if args.val:
        if args.val.is_dir():
            val = list_images(args.val, args.image_suffix)
        else:
            entries = (bare_name(entry, args.image_suffix) for entry in read_list(args.val))
            val = {name: images.get(name) for name in entries}
        check_no_leak(images, val, by_name=not args.same_names_differ)
    able = with_mask(args.masks, args.mask_suffix, names) if args.masks else names
    pixels = read_pixels(args.masks, args.mask_suffix, able, args.classes) if args.masks else None

    splits = draw(args, names, able, pixels)
    written = write_splits(args.out, splits, args.force)
    for manifest, split in splits:
        print(
            f'{manifest.dataset}.{manifest.fold}@{manifest.fraction}: '
            f'{len(split.labeled)} labelled, {len(split.unlabeled)} unlabelled images'
        )
        if pixels is not None:
            chosen = class_counts(pixels[np.isin(able, split.labeled)])
            print(class_table(chosen))
            absent = [i for i, n in enumerate(chosen['images']) if n == 0 and pixels[:, i].any()]
            if absent:
                print(f'Classes {absent} are missing: label more images, or add --stratified.')
    done = f'{len(written)} files written to' if written else 'All lists are already in'
    print(f'{done} {args.out}.')


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f'{type(error).__name__}: {error}')
