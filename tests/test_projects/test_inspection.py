import numpy as np
import pytest
import zoo

from mmseg_contrast.problem import SetupError
from mmseg_contrast.projects.inspection import (
    Question,
    find_pairs,
    inspect,
    mask_suffix,
    open_photo,
    twins,
)


def said(findings):
    return [str(problem) for problem in findings.problems]


def test_photos_masks_and_pixels(tmp_path):
    images, masks = zoo.folders(tmp_path, zoo.of_ids)
    found = inspect([images], [masks])
    assert [*found.images] == [f'p{index}' for index in range(8)] and found.suffix == '.jpg'
    assert [*found.masks] == [*found.pixels] == ['p0', 'p1', 'p2', 'p3']
    assert {photo.size for photo in found.photos.values()} == {zoo.SIZE} and not found.problems
    for index in range(4):
        expected = zoo.classes(seed=index)
        np.testing.assert_array_equal(found.classes_of(f'p{index}'), expected)
        counts = [*np.bincount(expected.ravel(), minlength=3), 0]
        assert found.pixels[f'p{index}'].tolist() == counts


@pytest.mark.parametrize('where', ['masks', 'photos'])
def test_polygons_of_labelme(tmp_path, where):
    zoo.photos(tmp_path / 'photos')
    zoo.masks(tmp_path / where, zoo.of_labelme)
    found = inspect([tmp_path / 'photos'], [tmp_path / where])
    assert found.encoding.names == ['background', 'cat', 'dog']
    assert found.pixels['p3'].tolist() == [2048, 960, 64, 0]
    assert found.classes_of('p3')[8, 8] == 2
    assert len(found.images) == 8 and not found.problems


@pytest.mark.parametrize('given', ['masks', 'masks/all.json'])
def test_polygons_of_coco(tmp_path, given):
    pytest.importorskip('pycocotools')
    zoo.photos(tmp_path / 'photos')
    zoo.coco(tmp_path / 'masks/all.json')
    (tmp_path / 'masks/classes.txt').write_text('cat 1 2 3\ndog 4 5 6\n')
    found = inspect([tmp_path / 'photos'], [tmp_path / given])
    assert found.encoding.names == ['background', 'cat', 'dog']
    assert found.encoding.palette == [(0, 0, 0), (1, 2, 3), (4, 5, 6)]
    assert found.pixels['p0'].tolist() == [2048, 960, 64, 0]
    assert [*found.masks] == ['p0', 'p1', 'p2', 'p3']


def spoil_photo(root):
    path = root / 'photos/p0.jpg'
    path.write_bytes(path.read_bytes()[:200])


def spoil_mask(root):
    (root / 'masks/p0.png').write_bytes(b'')


def resize_mask(root):
    zoo.of_ids(root / 'masks/p0.png', zoo.classes((40, 64)))


def turn_photo(root):
    zoo.photo(root / 'photos/p0.jpg', orientation=6)


def turn_square(root):
    zoo.photo(root / 'photos/p0.jpg', (48, 48), orientation=6)
    zoo.of_ids(root / 'masks/p0.png', zoo.classes((48, 48)))


def ignore_all(root):
    zoo.save(root / 'masks/p0.png', np.full(zoo.SIZE, 255, np.uint8))


def forget_photo(root):
    (root / 'photos/p0.jpg').unlink()


@pytest.mark.parametrize(
    ('spoil', 'file', 'sentence', 'still_there'),
    [
        (spoil_photo, 'photos/p0.jpg', 'cannot be read (', False),
        (spoil_mask, 'masks/p0.png', 'cannot be read (it is empty)', True),
        (resize_mask, 'masks/p0.png', 'the image is 64 x 48 and its mask 64 x 40', True),
        (turn_photo, 'masks/p0.png', 'is turned by its EXIF flag 6 to 48 x 64, but the mask', True),
        (turn_square, 'masks/p0.png', 'and the mask fits it both ways', True),
        (ignore_all, 'masks/p0.png', 'each pixel of the mask is ignored', True),
        (forget_photo, 'masks/p0.png', 'no photo has this name', False),
    ],
)
def test_what_is_left_out_is_told(tmp_path, spoil, file, sentence, still_there):
    """A photo without a usable mask is an unlabelled one."""
    images, masks = zoo.folders(tmp_path, zoo.of_ids)
    spoil(tmp_path)
    found = inspect([images], [masks])
    assert [*found.masks] == [*found.pixels] == ['p1', 'p2', 'p3']
    assert ('p0' in found.images) == still_there
    [problem] = said(found)
    assert problem.startswith(str(tmp_path / file)) and sentence in problem


def test_a_mask_drawn_on_the_photo_as_shown(tmp_path):
    images, masks = zoo.folders(tmp_path, zoo.of_ids)
    turn_photo(tmp_path)
    zoo.of_ids(masks / 'p0.png', zoo.classes((64, 48)))
    found = inspect([images], [masks])
    assert not found.problems and found.photos['p0'].size == (64, 48)


def test_what_a_photo_looks_like(tmp_path):
    path = tmp_path / 'a.png'
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:, 24:] = 200
    zoo.save(path, pixels)
    photo = open_photo(path)
    assert photo.size == (32, 48)
    np.testing.assert_array_equal(photo.thumbnail, np.repeat([[0, 200]], 8, axis=1).repeat(16, 0))


def test_photos_that_are_there_twice(tmp_path):
    images, masks = zoo.folders(tmp_path, zoo.of_ids)
    (images / 'a.jpg').write_bytes((images / 'p2.jpg').read_bytes())
    found = inspect([images], [masks])
    assert 'p2' in found.images and 'a' not in found.images and len(found.images) == 8
    assert f'{images / "a.jpg"}: the photo is the same as {images / "p2.jpg"}' in said(found)[0]
    paths = {path.stem: path for path in images.iterdir()}
    assert twins(paths, ['p2']) == {'a': 'p2'} and twins(paths, ['a']) == {'p2': 'a'}


@pytest.mark.parametrize(
    ('spoil', 'sentence'),
    [
        (lambda root: [path.unlink() for path in (root / 'masks').iterdir()], 'no mask'),
        (lambda root: [p.write_text('x') for p in (root / 'photos').iterdir()], 'cannot be read'),
        (lambda root: [p.write_text('x') for p in (root / 'masks').iterdir()], 'cannot be read'),
        (
            lambda root: zoo.masks(root / 'masks', lambda p, i: zoo.save(p, np.full_like(i, 255))),
            'the masks hold 255 alone, which is ignored',
        ),
        (
            lambda root: zoo.of_labelme(root / 'masks/p5.png', None),
            'p5.json: there are masks as images',
        ),
    ],
)
def test_folders_that_cannot_be_used(tmp_path, spoil, sentence):
    images, masks = zoo.folders(tmp_path, zoo.of_ids)
    spoil(tmp_path)
    with pytest.raises((SetupError, FileNotFoundError)) as caught:
        inspect([images], [masks])
    assert sentence in str(caught.value) and str(tmp_path) in str(caught.value)


def test_what_the_user_says(tmp_path):
    images, masks = zoo.folders(tmp_path, zoo.of_greys_with_255)
    found = inspect([images], [masks], Question(classes=['a', 'b'], ignored=[255]))
    assert found.encoding.names == ['a', 'b'] and found.class_source == '--classes'
    with pytest.raises(SetupError, match='the masks are polygons'):
        zoo.masks(tmp_path / 'p', zoo.of_labelme)
        inspect([images], [tmp_path / 'p'], Question(encoding='ids'))


def test_several_folders(tmp_path):
    """Names start from the folder that all lie in, so that equal ones are told apart."""
    for part in ('train', 'val'):
        zoo.photos(tmp_path / 'photos' / part, 4)
        zoo.masks(tmp_path / 'masks' / part, zoo.of_ids, 2)
    zoo.photo(tmp_path / 'photos/else/x.jpg', seed=50)
    images = [tmp_path / 'photos/train', tmp_path / 'photos/val']
    for path in images[1].iterdir():
        zoo.photo(path, seed=100 + int(path.stem[1:]))
    found = inspect(images, [tmp_path / 'masks'])
    assert found.image_folder == tmp_path / 'photos' and found.mask_folder == tmp_path / 'masks'
    assert [*found.masks] == ['train/p0', 'train/p1', 'val/p0', 'val/p1'] and len(found.images) == 8
    assert mask_suffix(found) == '.png'
    # a folder within another counts once
    assert len(inspect([tmp_path / 'photos', images[1]], [tmp_path / 'masks']).images) == 9


def test_files_that_are_no_masks(tmp_path):
    images, masks = zoo.folders(tmp_path, zoo.of_ids)
    (masks / 'settings.json').write_text('{}')
    assert len(find_pairs([images], [masks])[1]) == 4
    for path, sentence in (
        (masks / 'settings.json', 'it is JSON, but not of COCO'),
        (masks / 'p0.png', 'it is a file, and no JSON; give the folder of the masks'),
    ):
        with pytest.raises(SetupError) as caught:
            find_pairs([images], [path])
        assert sentence in str(caught.value)


def test_polygons_that_say_nothing(tmp_path):
    zoo.photos(tmp_path)
    zoo.masks(tmp_path, zoo.of_labelme)
    zoo.write_json(tmp_path / 'p0.json', imagePath='p0.jpg', shapes=[])
    zoo.write_json(tmp_path / 'p1.json', version=1)
    found = inspect([tmp_path], [tmp_path])
    assert [*found.masks] == ['p2', 'p3']
    assert 'p0.json: it has no polygon, and nothing tells' in said(found)[0]
    assert 'p1.json: it is JSON, but not of LabelMe' in said(found)[1]


@pytest.mark.parametrize(
    ('write', 'expected'),
    [
        (zoo.of_ids, '.png'),
        (zoo.of_palette, '.png'),
        (zoo.of_16_bits, '.png'),
        (lambda path, ids: zoo.of_ids(path.with_name(f'{path.stem}_m.png'), ids), '_m.png'),
        (lambda path, ids: zoo.of_ids(path.parent / 'sub' / path.name, ids), None),
        (zoo.of_equal_channels, None),
        (zoo.of_whole_floats, None),
        (zoo.of_colors, None),
        (zoo.of_zero_and_255, None),
        (zoo.of_labelme, None),
    ],
)
def test_masks_that_need_no_conversion(tmp_path, write, expected):
    images, masks = zoo.folders(tmp_path, write)
    assert mask_suffix(inspect([images], [masks])) == expected
