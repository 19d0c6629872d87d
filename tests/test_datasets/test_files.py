import numpy as np
import pytest
from PIL import Image

from mmseg_contrast.datasets.files import (
    count_pixels,
    exif_orientation,
    list_images,
    read_list,
    read_mask,
)


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'')
    return path


def test_list_images_names_sub_folders_and_cuts_suffix(tmp_path):
    b = touch(tmp_path / 'town' / 'b_leftImg8bit.png')
    a = touch(tmp_path / 'a.JPG')
    touch(tmp_path / 'notes.txt')
    assert list_images(tmp_path) == {'a': a, 'town/b_leftImg8bit': b}
    assert list_images(tmp_path, '_leftImg8bit.png') == {'town/b': b}


def test_list_images_refuses_missing_empty_and_ambiguous_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match='does not exist'):
        list_images(tmp_path / 'nowhere')
    with pytest.raises(FileNotFoundError, match='No image'):
        list_images(tmp_path)
    touch(tmp_path / 'a.png')
    touch(tmp_path / 'a.jpg')
    with pytest.raises(ValueError, match='same name'):
        list_images(tmp_path)


def test_read_list(tmp_path):
    path = tmp_path / 'list.txt'
    with pytest.raises(FileNotFoundError, match='txt does not exist'):
        read_list(path)
    path.write_text('\n \n')
    with pytest.raises(ValueError, match='is empty'):
        read_list(path)
    path.write_text('b \r\n\na')
    assert read_list(path) == ['b', 'a']
    path.write_text('b\na\nb\n')
    with pytest.raises(ValueError, match="'b' more than once"):
        read_list(path)


def test_read_mask_takes_ids_of_palette_images(tmp_path):
    ids = np.array([[0, 1], [2, 255]], np.uint8)
    image = Image.fromarray(ids, 'L')
    image.putpalette(list(range(255, -1, -1)) * 3)
    image.save(tmp_path / 'palette.png')
    np.testing.assert_array_equal(read_mask(tmp_path / 'palette.png'), ids)


def test_read_mask_refuses_colors_broken_and_missing_files(tmp_path):
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / 'rgb.png')
    with pytest.raises(ValueError, match='has 3 channels'):
        read_mask(tmp_path / 'rgb.png')
    (tmp_path / 'broken.png').write_bytes(b'no image')
    with pytest.raises(ValueError, match='cannot be read'):
        read_mask(tmp_path / 'broken.png')
    with pytest.raises(FileNotFoundError, match='does not exist'):
        read_mask(tmp_path / 'none.png')


def test_count_pixels():
    masks = [np.array([[0, 0, 2]], np.uint8), np.array([[255, 2, 2]], np.uint8)]
    np.testing.assert_array_equal(count_pixels(masks, 4), [[2, 0, 1, 0], [0, 0, 2, 0]])
    np.testing.assert_array_equal(count_pixels(masks), [[2, 0, 1], [0, 0, 2]])
    with pytest.raises(ValueError, match='id 2, but 2 classes'):
        count_pixels(masks, 2)


def test_linked_folders_are_searched_and_hidden_files_are_not(tmp_path):
    elsewhere = tmp_path / 'elsewhere'
    folder = tmp_path / 'images'
    elsewhere.mkdir()
    folder.mkdir()
    for path in (elsewhere / 'a.png', folder / 'b.png', folder / '._b.png'):
        path.touch()
    (folder / 'linked').symlink_to(elsewhere, target_is_directory=True)
    assert list(list_images(folder)) == ['b', 'linked/a']


@pytest.mark.parametrize(
    ('mask', 'suffix'),
    [
        (np.array([[False, True]]), '.png'),
        (np.array([[0, 255]], np.uint8), '.bmp'),
        (np.array([[0, 255]], np.uint16), '.png'),
        (np.array([[3, 7]], np.int32), '.tif'),
    ],
)
def test_masks_of_any_number_of_bits_are_read(tmp_path, mask, suffix):
    path = tmp_path / f'mask{suffix}'
    Image.fromarray(mask).save(path)
    read = read_mask(path)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, mask)


@pytest.mark.parametrize(
    ('mask', 'said'),
    [
        (np.array([[0, 26001]], np.uint16), r'holds the id 26001, .* 8 bits, 0 to 255; convert'),
        (np.array([[-1, 5]], np.int32), r'holds the id -1, '),
        (np.array([[0.0, 1.0]], np.float32), r'holds numbers of the type float32; save class ids'),
    ],
)
def test_ids_that_do_not_fit_into_8_bits_are_told(tmp_path, mask, said):
    Image.fromarray(mask).save(tmp_path / 'mask.tif')
    with pytest.raises(ValueError, match=rf'mask\.tif: the mask {said}'):
        read_mask(tmp_path / 'mask.tif')


def test_a_grey_mask_in_three_channels_is_told_how_to_mend(tmp_path):
    Image.fromarray(np.full((2, 3, 3), 4, np.uint8)).save(tmp_path / 'mask.png')
    with pytest.raises(ValueError, match=r'3 channels .*; its channels are equal: save one of'):
        read_mask(tmp_path / 'mask.png')


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.tif'])
def test_exif_orientation(tmp_path, suffix):
    image, path = Image.fromarray(np.zeros((2, 3, 3), np.uint8)), tmp_path / f'photo{suffix}'
    for flag, told in ((6, 6), (1, 1), (None, 1), (77, 1)):
        exif = Image.Exif()
        if flag:
            exif[0x0112] = flag
        image.save(path, exif=exif)
        assert exif_orientation(path) == told
    path.write_bytes(b'no image')
    assert exif_orientation(path) == 1
    assert exif_orientation(tmp_path / 'none.jpg') == 1
