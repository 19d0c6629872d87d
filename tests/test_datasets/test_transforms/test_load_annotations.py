import mmseg.datasets.transforms
import numpy as np
import pytest
from mmseg.registry import TRANSFORMS
from PIL import Image

from mmseg_contrast.datasets import LoadAnnotations, LoadImageFromFile


def sample(path, image=None, reduce_zero_label=False, **more):
    known = {'seg_map_path': str(path), 'seg_fields': [], 'reduce_zero_label': reduce_zero_label}
    return {**known, **({'img_path': str(image)} if image else {}), **more}


def test_stands_in_the_place_of_mmsegs():
    for name in ('LoadAnnotations', 'mmseg.LoadAnnotations'):
        assert TRANSFORMS.get(name) is LoadAnnotations


@pytest.mark.parametrize('reduce_zero_label', [False, True])
@pytest.mark.parametrize('label_map', [None, {0: 1, 1: 0, 2: 255}, {1: -1}])
def test_equals_mmsegs(tmp_path, reduce_zero_label, label_map):
    ids = np.random.RandomState(0).choice([0, 1, 2, 3, 254, 255], (9, 7)).astype(np.uint8)
    Image.fromarray(ids).save(tmp_path / 'mask.png')
    given = {'reduce_zero_label': reduce_zero_label, 'label_map': label_map}
    if label_map and -1 in label_map.values():
        given['label_map'] = {1: 255}
    ours, theirs = (
        kind()(sample(tmp_path / 'mask.png', **given))
        for kind in (LoadAnnotations, mmseg.datasets.transforms.LoadAnnotations)
    )
    assert ours['gt_seg_map'].dtype == np.uint8 and ours['seg_fields'] == ['gt_seg_map']
    np.testing.assert_array_equal(ours['gt_seg_map'], theirs['gt_seg_map'])


def test_a_second_reduce_zero_label_is_refused(tmp_path):
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / 'mask.png')
    with pytest.warns(UserWarning, match='reduce_zero_label'):
        load = LoadAnnotations(reduce_zero_label=True)
    with pytest.raises(ValueError, match='but that of the data set is False; set it in the data'):
        load(sample(tmp_path / 'mask.png'))


def test_an_image_without_mask_is_told(tmp_path):
    with pytest.raises(ValueError) as error:
        LoadAnnotations()({'img_path': 'a.jpg', 'seg_fields': [], 'reduce_zero_label': False})
    assert str(error.value) == (
        'LoadAnnotations: a.jpg has no mask in its data set; load the valid map of unlabelled images by '
        "dict(type='LoadValidMap')."
    )


def test_a_mask_may_have_the_size_after_the_resizing(tmp_path):
    Image.fromarray(np.ones((2, 3), np.uint8)).save(tmp_path / 'mask.png')
    sizes = {'ori_shape': (4, 6), 'img_shape': (2, 3)}
    assert LoadAnnotations()(sample(tmp_path / 'mask.png', **sizes))['gt_seg_map'].shape == (2, 3)
    with pytest.raises(ValueError, match='the image is 6 x 4 and its mask 3 x 2'):
        LoadAnnotations()(sample(tmp_path / 'mask.png', ori_shape=(4, 6), img_shape=(4, 6)))


# ------------------------------------------------------------------ photos that are turned

WIDE, TALL, SQUARE = (4, 6), (6, 4), (6, 6)


def photo(folder, size, orientation, suffix='.jpg'):
    """Write a photo of a height and width, as stored, with an EXIF flag."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = folder / f'photo{suffix}'
    Image.fromarray(np.zeros((*size, 3), np.uint8)).save(path, exif=exif)
    return path


def load(image, size, **kwargs):
    path = image.with_name('mask.png')
    Image.fromarray(np.ones(size, np.uint8)).save(path)
    results = LoadImageFromFile(**kwargs)(sample(path, image))
    return LoadAnnotations()(results)['gt_seg_map'].shape


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.tif'])
def test_a_mask_as_shown_fits_a_turned_photo(tmp_path, suffix):
    assert load(photo(tmp_path, WIDE, 6, suffix), TALL) == TALL


@pytest.mark.parametrize('orientation', [5, 6, 7, 8])
def test_a_mask_as_stored_does_not_fit_a_turned_photo(tmp_path, orientation):
    said = f'is turned by its EXIF flag {orientation} to 4 x 6, but the mask is 6 x 4 as the photo'
    with pytest.raises(ValueError, match=said):
        load(photo(tmp_path, WIDE, orientation), WIDE)


@pytest.mark.parametrize(
    ('size', 'orientation'), [(SQUARE, 6), (SQUARE, 3), (WIDE, 3), (WIDE, 2), (WIDE, 4)]
)
def test_a_mask_that_fits_a_turned_photo_both_ways_is_told(tmp_path, size, orientation):
    with pytest.raises(ValueError, match=rf'EXIF flag {orientation}, .* both ways; save the photo'):
        load(photo(tmp_path, size, orientation), size)


def test_photos_that_are_loaded_as_stored_are_not_turned(tmp_path):
    image = photo(tmp_path, SQUARE, 6)
    for color_type in ('color_ignore_orientation', 'unchanged'):
        assert load(image, SQUARE, color_type=color_type) == SQUARE
    assert load(photo(tmp_path, SQUARE, 1), SQUARE) == SQUARE


def test_another_size_is_told(tmp_path):
    with pytest.raises(ValueError, match=r'mask\.png: the image is 6 x 4 and its mask 5 x 4; resi'):
        load(photo(tmp_path, WIDE, 1), (4, 5))
    with pytest.raises(ValueError, match=r'the image is 4 x 6 and its mask 5 x 4'):
        load(photo(tmp_path, WIDE, 6), (4, 5))
