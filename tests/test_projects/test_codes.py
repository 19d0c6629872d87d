import numpy as np
import pytest
import zoo
from PIL import Image

from mmseg_contrast.problem import SetupError
from mmseg_contrast.projects.codes import Codes, code_of, color_of, read_codes, summarize

IDS = zoo.classes()


@pytest.mark.parametrize(
    ('write', 'expected'),
    [
        (zoo.of_ids, IDS),
        (zoo.of_16_bits, IDS),
        (zoo.of_palette, IDS),
        (zoo.of_equal_channels, IDS),
        (zoo.of_zero_and_255, np.where(IDS > 0, 255, 0)),
        (zoo.of_transparency, np.where(IDS > 0, 255, 0)),
        (zoo.of_class_and_instance, 1000 * (IDS.astype(int) + 1) + 7),
    ],
)
def test_numbers(tmp_path, write, expected):
    write(tmp_path / 'p0.png', IDS)
    codes = read_codes(tmp_path / 'p0.png')
    assert not codes.colored
    np.testing.assert_array_equal(codes.map, expected)


def test_a_mask_of_one_bit(tmp_path):
    Image.fromarray(IDS > 0).save(tmp_path / 'p0.png')
    np.testing.assert_array_equal(read_codes(tmp_path / 'p0.png').map, IDS > 0)


def test_whole_numbers_stored_as_floats(tmp_path):
    zoo.of_whole_floats(tmp_path / 'p0.png', IDS)
    np.testing.assert_array_equal(read_codes(tmp_path / 'p0.tif').map, IDS)


def test_colours(tmp_path):
    zoo.of_colors(tmp_path / 'p0.png', IDS)
    codes = read_codes(tmp_path / 'p0.png')
    assert codes.colored
    np.testing.assert_array_equal(codes.map, np.array([0, 0xFF0000, 0x008000])[IDS])
    assert [color_of(code) for code in (0xFF0000, 0x008000)] == [(255, 0, 0), (0, 128, 0)]
    assert code_of((1, 2, 3)) == 0x010203


def test_the_palette_of_the_ids_in_use(tmp_path):
    zoo.of_palette(tmp_path / 'p0.png', np.minimum(IDS, 1))
    palette = read_codes(tmp_path / 'p0.png').palette
    assert palette == {0: (0, 0, 0), 1: (255, 0, 0)}


@pytest.mark.parametrize(
    ('write', 'said'),
    [
        (lambda path: path.write_bytes(b''), 'cannot be read (it is empty); replace the file'),
        (lambda path: path.write_text('<html>'), 'cannot be read (no image)'),
        (
            lambda path: zoo.of_fractions(path, IDS),
            'the mask holds fractions, such as 0.',
        ),
        (
            lambda path: zoo.save(
                path, np.dstack([zoo.COLORS[IDS], np.full(IDS.shape, 7, np.uint8)])
            ),
            'the mask is partly transparent',
        ),
    ],
)
def test_what_is_no_mask(tmp_path, write, said):
    write(tmp_path / 'm.png')
    [path] = tmp_path.iterdir()
    with pytest.raises(SetupError) as caught:
        read_codes(path)
    assert str(path) in str(caught.value) and said in str(caught.value)


def test_counts():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, (5, 7)) * 70000
    content = summarize('m.png', Codes(codes.astype(np.int32)))
    values, pixels = np.unique(codes, return_counts=True)
    np.testing.assert_array_equal(content.values, values)
    np.testing.assert_array_equal(content.pixels, pixels)
    assert content.size == (5, 7)
    assert summarize('m.png', Codes(np.full((2, 3), 9, np.int32))).pixels.tolist() == [6]
