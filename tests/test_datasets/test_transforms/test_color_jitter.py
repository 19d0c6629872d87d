import colorsys

import numpy as np
import pytest

from mmseg_contrast.datasets import ColorJitter


def jitter_with(img, ops):
    """Applies given operations with given factors."""
    transform = ColorJitter()
    transform._draw = lambda: ops
    return transform.transform(dict(img=img))['img']


def naive(img, name, factor):
    """One operation on a BGR image with values in [0, 1], pixel by pixel, in float64."""
    gray = img @ np.array([0.114, 0.587, 0.299])
    if name == 'brightness':
        return np.clip(img * factor, 0, 1)
    if name == 'contrast':
        return np.clip(img * factor + (1 - factor) * gray.mean(), 0, 1)
    if name == 'saturation':
        return np.clip(img * factor + (1 - factor) * gray[..., None], 0, 1)
    out = np.empty_like(img)
    for index in np.ndindex(img.shape[:2]):
        h, s, v = colorsys.rgb_to_hsv(*img[index][::-1])
        out[index] = colorsys.hsv_to_rgb((h + factor) % 1, s, v)[::-1]
    return out


def random_image(dtype, channels=3):
    unit = np.random.rand(9, 11, channels)
    if dtype == np.float32:
        return (unit * 255).astype(dtype), 255.0
    top = np.iinfo(dtype).max
    return (unit * top).astype(dtype), float(top)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(
    'ops',
    [
        [('brightness', 0.5)],
        [('brightness', 1.5)],
        [('contrast', 0.3)],
        [('contrast', 1.5)],
        [('saturation', 0.0)],
        [('saturation', 1.5)],
        [('hue', 0.25)],
        [('hue', -0.25)],
        [('hue', -0.5)],
        [('hue', -0.2), ('contrast', 1.4), ('saturation', 0.6), ('brightness', 1.3)],
        [('brightness', 1.3), ('saturation', 0.6), ('contrast', 1.4), ('hue', -0.2)],
    ],
)
def test_against_pixel_loop(dtype, ops):
    img, top = random_image(dtype)
    expected = img / top
    for name, factor in ops:
        expected = naive(expected, name, factor)
    out = jitter_with(img, ops)
    assert out.dtype == dtype and out.shape == img.shape
    # uint8 and uint16: rounding of the result; float32 arithmetic: 1e-5 of the range
    tolerance = (0.5 if dtype != np.float32 else 0.0) + 2e-5 * top
    np.testing.assert_allclose(out.astype(np.float64), expected * top, atol=tolerance)


def test_order_matters_in_the_test_above():
    img, _ = random_image(np.uint8)
    ops = [('contrast', 0.3), ('brightness', 1.5)]
    assert (jitter_with(img, ops) != jitter_with(img, ops[::-1])).any()


@pytest.mark.parametrize('channels', [1, 2, 4, 8])
def test_other_channel_numbers_leave_color_out(channels):
    img, _ = random_image(np.uint8, channels)
    np.testing.assert_array_equal(jitter_with(img, [('hue', 0.3), ('saturation', 0.1)]), img)
    out = jitter_with(img, [('contrast', 0.5), ('brightness', 1.2)])
    expected = np.clip((img * 0.5 + 0.5 * img.mean()) * 1.2, 0, 255)
    np.testing.assert_allclose(out, expected, atol=0.51)


def test_gray_image_without_channel_axis():
    img, _ = random_image(np.uint8, 1)
    out = jitter_with(img[..., 0], [('brightness', 0.5), ('hue', 0.1)])
    assert out.shape == (9, 11)
    np.testing.assert_allclose(out, img[..., 0] * 0.5, atol=0.51)


def test_drawn_factors_fill_their_ranges_in_any_order():
    transform = ColorJitter(brightness=0.5, contrast=1.5, saturation=0.2, hue=0.25)
    ranges = dict(
        brightness=(0.5, 1.5), contrast=(0.0, 2.5), saturation=(0.8, 1.2), hue=(-0.25, 0.25)
    )
    draws = [transform._draw() for _ in range(2000)]
    for name, (low, high) in ranges.items():
        factors = np.array([dict(ops)[name] for ops in draws])
        width = high - low
        assert low <= factors.min() < low + 0.01 * width
        assert high - 0.01 * width < factors.max() <= high
        assert abs(factors.mean() - (low + high) / 2) < 0.03 * width
    orders = {tuple(name for name, _ in ops) for ops in draws}
    assert len(orders) == 24


def test_zero_ranges_and_probability():
    img, _ = random_image(np.uint8)
    assert ColorJitter(0, 0, 0, 0).transform(dict(img=img))['img'] is img
    transform = ColorJitter(prob=0.3)
    applied = np.mean([bool(transform._draw()) for _ in range(2000)])
    assert abs(applied - 0.3) < 0.04


def test_input_is_not_written_to():
    img, _ = random_image(np.uint8)
    before = img.copy()
    for _ in range(5):
        ColorJitter().transform(dict(img=img))
    np.testing.assert_array_equal(img, before)


@pytest.mark.parametrize(
    'kwargs, text',
    [
        (dict(contrast=-0.1), 'contrast=-0.1'),
        (dict(hue=0.6), 'hue=0.6'),
        (dict(prob=1.5), 'prob=1.5'),
    ],
)
def test_bad_arguments(kwargs, text):
    with pytest.raises(ValueError, match=text):
        ColorJitter(**kwargs)
