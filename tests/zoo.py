"""Folders of photos and masks as people have them, made by code."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (48, 64)
COLORS = np.array([(0, 0, 0), (255, 0, 0), (0, 128, 0)], np.uint8)


def photo(path, size=SIZE, seed=0, orientation=None):
    """Write a photo of noise; with an EXIF flag if one is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)
    options = {}
    if orientation is not None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options['exif'] = exif
    Image.fromarray(pixels).save(path, **options)


def photos(folder, number=8, suffix='.jpg'):
    """Write photos p0, p1, ..."""
    for index in range(number):
        photo(folder / f'p{index}{suffix}', seed=index)


def classes(size=SIZE, number=3, seed=0):
    """Return a mask of blocks in which each class is seen, uint8."""
    blocks = np.random.default_rng(seed).permutation(np.arange(16) % number).reshape(4, 4)
    return np.kron(blocks, np.ones((size[0] // 4, size[1] // 4))).astype(np.uint8)


def save(path, pixels, palette=None):
    """Write an array as an image; with a palette, as its ids."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(np.asarray(palette, np.uint8).ravel().tolist())
    image.save(path)


def masks(folder, write, number=4):
    """Write masks p0.png, ... of the first photos, each by ``write(path, its classes)``."""
    for index in range(number):
        write(folder / f'p{index}.png', classes(seed=index))


def of_ids(path, ids):
    save(path, ids)


def of_zero_and_255(path, ids):
    save(path, np.where(ids > 0, 255, 0).astype(np.uint8))


def of_colors(path, ids):
    save(path, COLORS[ids])


def of_palette(path, ids):
    save(path, ids, COLORS)


def of_palettes_that_differ(path, ids):
    """The ids of each file are in another order, and so are its colours, as editors save them."""
    turn = int(path.stem[1:]) % 3
    save(path, ((ids + turn) % 3).astype(np.uint8), np.roll(COLORS, turn, axis=0))


def of_16_bits(path, ids):
    save(path, ids.astype(np.uint16))


def of_greys(path, ids):
    save(path, ids * 100)


def of_greys_with_255(path, ids):
    save(path, np.array([0, 128, 255], np.uint8)[ids])


def of_class_and_instance(path, ids):
    save(path, (1000 * (ids.astype(np.uint16) + 1) + 7).astype(np.uint16))


def of_instances(path, ids):
    """Objects 1, 2, ... as stripes; the later the file, the more."""
    made = np.zeros_like(ids)
    for number in range(3 + int(path.stem[1:])):
        made[4 * number + 1 : 4 * number + 4, 3 * number : 3 * number + 10] = number + 1
    save(path, made)


def of_equal_channels(path, ids):
    save(path, np.repeat(ids[..., None], 3, axis=-1))


def of_transparency(path, ids):
    """White where there is something, transparent elsewhere."""
    alpha = np.where(ids > 0, 255, 0).astype(np.uint8)
    save(path, np.dstack([np.full((*ids.shape, 3), 255, np.uint8), alpha]))


def of_blends(path, ids):
    """Colours with anti-aliased borders."""
    image = Image.fromarray(COLORS[ids]).resize((190, 142), Image.Resampling.BICUBIC)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.resize(ids.shape[::-1], Image.Resampling.BICUBIC).save(path)


def of_jpeg(path, ids):
    save(path.with_suffix('.jpg'), COLORS[ids])


def of_fractions(path, ids):
    save(path.with_suffix('.tif'), ids.astype(np.float32) / 3)


def of_whole_floats(path, ids):
    save(path.with_suffix('.tif'), ids.astype(np.float32))


def of_labelme(path, ids):
    """A square of class `cat`, of which a part is a `dog`."""
    shapes = [
        dict(label='cat', points=[[8, 8], [39, 8], [39, 39], [8, 39]], shape_type='polygon'),
        dict(label='dog', points=[[8, 8], [15, 15]], shape_type='rectangle'),
    ]
    write_json(
        path.with_suffix('.json'),
        imagePath=f'{path.stem}.jpg',
        imageHeight=SIZE[0],
        imageWidth=SIZE[1],
        shapes=shapes,
    )


def coco(path, number=4, listed=6):
    """Write polygons of the first photos; more photos are listed, without any."""
    square = [8, 8, 40, 8, 40, 40, 8, 40]
    write_json(
        path,
        images=[
            dict(id=index, file_name=f'p{index}.jpg', height=SIZE[0], width=SIZE[1])
            for index in range(listed)
        ],
        categories=[dict(id=7, name='dog'), dict(id=3, name='cat')],
        annotations=[
            dict(
                id=2 * index + part,
                image_id=index,
                category_id=(7, 3)[part],
                segmentation=[[8 + (each - 8) / (4 - 3 * part) for each in square]],
                area=(64, 1024)[part],
                bbox=[8, 8, 32, 32],
                iscrowd=0,
            )
            for index in range(number)
            for part in range(2)
        ],
    )


def write_json(path, **content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def folders(root: Path, write, number=8, labeled=4, suffix='.jpg'):
    """Write photos and masks into two folders; return both."""
    photos(root / 'photos', number, suffix)
    masks(root / 'masks', write, labeled)
    return root / 'photos', root / 'masks'
