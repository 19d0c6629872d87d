import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from mmseg_contrast.datasets import RandAugmentColor
from mmseg_contrast.datasets.transforms.rand_augment_color import _ANY_CHANNELS, _OPS


def apply(img, name, magnitude):
    transform = RandAugmentColor()
    transform._draw = lambda names: [(name, magnitude)]
    return transform.transform(dict(img=img))['img']


def smooth_image():
    """A BGR image with structure, so that histogram operations are not trivial."""
    y, x = np.mgrid[:48, :64]
    img = np.stack([60 + 2 * x, 30 + y + x, 200 - 2 * y], axis=-1).astype(np.float64)
    return np.clip(img + np.random.normal(0, 6, img.shape), 10, 240).astype(np.uint8)


def solarize_add(img):
    return np.where(img < 128, np.minimum(img.astype(int) + 110, 255), img).astype(np.uint8)


# what Pillow, or the definition, makes of an image at magnitude 10, and how far off we may be
REFERENCES = dict(
    AutoContrast=(ImageOps.autocontrast, 1),
    Equalize=(ImageOps.equalize, 1),
    Invert=(ImageOps.invert, 0),
    Posterize=(lambda img: ImageOps.posterize(img, 4), 0),
    Solarize=(lambda img: img, 0),
    SolarizeAdd=(lambda img: solarize_add(np.array(img)), 0),
    Color=(lambda img: ImageEnhance.Color(img).enhance(1.9), 2),
    Contrast=(lambda img: ImageEnhance.Contrast(img).enhance(1.9), 2),
    Brightness=(lambda img: ImageEnhance.Brightness(img).enhance(1.9), 1),
    Sharpness=(lambda img: ImageEnhance.Sharpness(img).enhance(1.9), 2),
)


@pytest.mark.parametrize('name', sorted(_OPS))
def test_against_pillow_at_full_magnitude(name):
    img = smooth_image()
    reference, tolerance = REFERENCES[name]
    expected = np.array(reference(Image.fromarray(img[..., ::-1])))[..., ::-1]
    out = apply(img, name, 10)
    assert out.dtype == np.uint8 and out.shape == img.shape
    # Pillow leaves the border as it is when it sharpens
    inner = slice(1, -1)
    difference = np.abs(out.astype(int) - expected.astype(int))[inner, inner]
    assert difference.max() <= tolerance


def test_magnitudes_in_between():
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)[..., None].repeat(3, axis=2)
    # int(0.4 m) bits are kept, values from int(25.6 m) on inverted, int(11 m) added below 128
    np.testing.assert_array_equal(apply(ramp, 'Posterize', 9.9), ramp // 32 * 32)
    np.testing.assert_array_equal(
        apply(ramp, 'Solarize', 5), np.where(ramp < 128, ramp, 255 - ramp)
    )
    np.testing.assert_array_equal(
        apply(ramp, 'SolarizeAdd', 5), np.where(ramp < 128, ramp + 55, ramp)
    )
    # factor 0.1 + 0.18 m
    np.testing.assert_allclose(apply(ramp, 'Brightness', 5), np.clip(ramp * 1.0, 0, 255), atol=1)
    np.testing.assert_allclose(apply(ramp, 'Brightness', 0), ramp * 0.1, atol=1)


@pytest.mark.parametrize('channels', [None, 1, 2, 4, 6])
def test_other_channel_numbers_get_the_operations_without_color(channels):
    shape = (12, 10) if channels is None else (12, 10, channels)
    img = np.random.randint(0, 256, shape, dtype=np.uint8)
    transform = RandAugmentColor(num_ops=30, prob=1.0)
    out = transform.transform(dict(img=img))['img']
    assert out.shape == shape and out.dtype == np.uint8
    for name in _ANY_CHANNELS:
        expected = apply(img.reshape(12, 10, -1)[..., :1].repeat(3, axis=2), name, 7.0)
        result = apply(img, name, 7.0).reshape(12, 10, -1)
        np.testing.assert_array_equal(result[..., 0], expected[..., 0])


def test_draws():
    transform = RandAugmentColor(num_ops=2, magnitude=10, prob=0.5, magnitude_std=0.5)
    draws = [transform._draw(list(_OPS)) for _ in range(4000)]
    ops = [op for draw in draws for op in draw]
    assert abs(len(ops) / 8000 - 0.5) < 0.02
    names, magnitudes = zip(*ops)
    frequency = np.array([names.count(name) for name in _OPS]) / len(names)
    assert np.abs(frequency - 0.1).max() < 0.02
    magnitudes = np.array(magnitudes)
    # N(10, 0.5) clipped at 10: half of the mass sits on 10, the mean is 10 - 0.5 / sqrt(2 pi)
    assert abs((magnitudes == 10).mean() - 0.5) < 0.04
    assert abs(magnitudes.mean() - (10 - 0.5 / np.sqrt(2 * np.pi))) < 0.02
    # with replacement
    assert any(len(draw) == 2 and draw[0][0] == draw[1][0] for draw in draws)


def test_never_applied_and_input_kept():
    img = smooth_image()
    assert RandAugmentColor(prob=0.0).transform(dict(img=img))['img'] is img
    before = img.copy()
    for name in _OPS:
        apply(img, name, 9.0)
    np.testing.assert_array_equal(img, before)


def test_bad_arguments():
    for kwargs, text in (
        (dict(num_ops=0), 'num_ops=0'),
        (dict(magnitude=11), 'magnitude=11'),
        (dict(prob=2), 'prob=2'),
        (dict(magnitude_std=-1), 'magnitude_std=-1'),
    ):
        with pytest.raises(ValueError, match=text):
            RandAugmentColor(**kwargs)
    with pytest.raises(ValueError, match=r'8-bit.*a\.tif is uint16'):
        RandAugmentColor().transform(dict(img=np.zeros((4, 4, 3), np.uint16), img_path='a.tif'))
