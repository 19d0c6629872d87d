import numpy as np
import pytest

from mmseg_contrast.datasets import RandomGaussianBlur


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize('channels', [None, 1, 3, 5])
def test_impulse_becomes_a_gaussian(dtype, channels):
    sigma, top = 1.5, 200.0
    shape = (31, 31) if channels is None else (31, 31, channels)
    img = np.zeros(shape, dtype)
    img[15, 15] = top
    out = RandomGaussianBlur((sigma, sigma), prob=1.0).transform(dict(img=img))['img']
    assert out.shape == shape and out.dtype == dtype
    offsets = np.arange(31) - 15
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))
    kernel = np.outer(kernel, kernel) / kernel.sum() ** 2
    expected = top * kernel if channels is None else top * kernel[..., None] * np.ones(channels)
    # 8-bit filters have fixed-point weights and are cut at three sigma
    np.testing.assert_allclose(out, expected, atol=1.0 if dtype != np.float32 else 0.02)
    assert img[15, 15].max() == top  # the input is kept


def test_sigma_and_probability():
    transform = RandomGaussianBlur((0.5, 2.0), prob=0.4)
    draws = [transform._draw_sigma() for _ in range(2000)]
    sigmas = np.array([sigma for sigma in draws if sigma is not None])
    assert abs(len(sigmas) / 2000 - 0.4) < 0.04
    assert 0.5 <= sigmas.min() < 0.52 and 1.98 < sigmas.max() <= 2.0


@pytest.mark.parametrize(
    'kwargs, text',
    [
        (dict(sigma_range=(0, 1)), r'sigma_range=\(0, 1\)'),
        (dict(sigma_range=(2, 1)), r'sigma_range=\(2, 1\)'),
        (dict(prob=-1), 'prob=-1'),
    ],
)
def test_bad_arguments(kwargs, text):
    with pytest.raises(ValueError, match=text):
        RandomGaussianBlur(**kwargs)
