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


def with_a_file_of_colors(root):
    folders(root, of_colors)
    (root / 'masks/labelmap.txt').write_text('soil:0,0,0::\nweed:255,0,0::\ncrop:0,128,0::\n')
    (root / 'masks/other.txt').write_text('soil 0 0 0\nweed 255 0 0\n')


def with_several_suffixes(root):
    folders(root, of_ids)
    for index, suffix in ((0, '.JPG'), (1, '.PNG'), (7, '.bmp')):
        (root / f'photos/p{index}.jpg').unlink()
        photo(root / f'photos/p{index}{suffix}', seed=50 + index)


def with_16_bits_in_three_channels(root):
    """Photos that Pillow cannot read."""
    import cv2

    folders(root, of_ids)
    for path in sorted((root / 'photos').iterdir()):
        pixels = np.random.default_rng(int(path.stem[1:])).integers(0, 65535, (*SIZE, 3))
        cv2.imwrite(str(path.with_suffix('.tif')), pixels.astype(np.uint16))
        path.unlink()


def with_photos_of_many_kinds(root):
    """Grey, with transparency, with a palette, of other sizes, with blanks and umlauts in the name."""
    folders(root, of_ids, suffix='.png')
    with Image.open(root / 'photos/p0.png') as image:
        for name, mode in (('p0', 'L'), ('p5', 'RGBA'), ('p6', 'P')):
            image.convert(mode).save(root / f'photos/{name}.png')
    photo(root / 'photos/ein Foto für alle.png', (70, 50), seed=90)


def with_a_turned_photo(root):
    folders(root, of_ids)
    photo(root / 'photos/p0.jpg', orientation=6)
    of_ids(root / 'masks/p0.png', classes((64, 48)))


def with_everything_broken_that_can_be(root):
    """Four masks can be used; the rest is left out."""
    folders(root, of_ids, number=16, labeled=9)
    (root / 'photos/p4.jpg').write_bytes(b'')
    (root / 'photos/p5.jpg').write_text('<html>')
    (root / 'photos/p12.jpg').write_bytes((root / 'photos/p13.jpg').read_bytes()[:300])
    (root / 'masks/p6.png').write_bytes(b'')
    of_ids(root / 'masks/p7.png', classes((40, 64)))
    save(root / 'masks/p8.png', np.full(SIZE, 255, np.uint8))
    of_ids(root / 'masks/nobody.png', classes())
    (root / 'photos/.hidden.jpg').write_bytes(b'')
    (root / 'photos/Thumbs.db').write_bytes(b'')


def with_polygons_of_coco(root):
    photos(root / 'photos')
    coco(root / 'masks/instances.json')


def with_masks_beside_the_photos(root):
    photos(root / 'photos')
    masks(root / 'photos', lambda path, ids: of_ids(path.with_name(f'{path.stem}_mask.png'), ids))
    (root / 'masks').symlink_to(root / 'photos')


def with_one_bad_id(root):
    """The mask that is wrong is the last of many."""
    folders(root, of_ids, number=44, labeled=40)
    save(root / 'masks/p39.png', np.full(SIZE, 77, np.uint8))


def _of(write):
    return lambda root: folders(root, write)


#: Folders of which a project is made that trains: what writes them, what is said of them, their classes.
TRAINS = {
    'class ids': (_of(of_ids), '', 3),
    '0 and 255': (_of(of_zero_and_255), '', 2),
    'colours': (_of(of_colors), '', 3),
    'colours with names': (with_a_file_of_colors, '', 3),
    'colours, one of which is no class': (_of(of_colors), '--ignore 0,0,0', 2),
    'palette': (_of(of_palette), '', 3),
    'palettes that differ': (_of(of_palettes_that_differ), '', 3),
    '16 bits': (_of(of_16_bits), '', 3),
    'greys': (_of(of_greys), '', 3),
    'greys, 255 is a class': (_of(of_greys_with_255), '--ignore none', 3),
    'class and instance': (_of(of_class_and_instance), '--encoding class-instances', 3),
    'instances': (_of(of_instances), '--encoding instances', 2),
    'equal channels': (_of(of_equal_channels), '', 3),
    'transparency': (_of(of_transparency), '', 2),
    'whole floats': (_of(of_whole_floats), '', 3),
    'LabelMe': (_of(of_labelme), '', 3),
    'COCO': (with_polygons_of_coco, '', 3),
    'ids from 1 on': (_of(lambda path, ids: of_ids(path, ids + 1)), '', 3),
    'zero is no class': (_of(of_ids), '--ignore 0 --classes weed crop', 2),
    'several suffixes': (with_several_suffixes, '', 3),
    '16 bits in three channels': (with_16_bits_in_three_channels, '', 3),
    'photos of many kinds': (with_photos_of_many_kinds, '', 3),
    'a turned photo': (with_a_turned_photo, '', 3),
    'broken files': (with_everything_broken_that_can_be, '', 3),
    'masks beside the photos': (with_masks_beside_the_photos, '', 3),
}

#: Folders that cannot be used, what is said of them, and the sentence: the file, and what to do.
TOLD = {
    '255 may be a class': (_of(of_greys_with_255), '', 'masks/p0.png: .*; give --ignore 255'),
    'instances': (_of(of_instances), '', 'masks/p3.png: .*; give --encoding instances'),
    'class and instance': (_of(of_class_and_instance), '', 'p0.png: .*; give --encoding class-ins'),
    'blends': (_of(of_blends), '', r'masks/p\d.png: .*; export masks as PNG'),
    'JPEG': (_of(of_jpeg), '', r'masks/p\d.jpg: .*; export masks as PNG'),
    'fractions': (_of(of_fractions), '', 'masks/p0.tif: .*; save whole class ids'),
    'no pair': (
        _of(lambda path, ids: of_ids(path.with_stem('x' + path.stem), ids)),
        '',
        'photos: .*',
    ),
    'one bad id': (with_one_bad_id, '--classes a b c', 'masks/p39.png: .*77.*; name each number'),
    'too few names': (_of(of_ids), '--classes a b', 'masks/p0.png: .*; name each number'),
    'an unknown colour': (
        with_a_file_of_colors,
        '--classes masks/other.txt',
        'masks/p0.png: the mask has the colour .*; add it there, or give --ignore',
    ),
    'one label': (
        lambda root: folders(root, of_ids, labeled=1),
        '',
        'validation: .*; label one more',
    ),
    'two labels': (
        lambda root: folders(root, of_ids, labeled=2),
        '',
        'photos: 1 photo .*; label more',
    ),
    'no masks': (
        lambda root: folders(root, of_ids, labeled=0),
        '',
        'masks: there is no such folder',
    ),
}
