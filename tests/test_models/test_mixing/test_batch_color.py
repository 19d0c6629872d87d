import colorsys
import math

import pytest
import torch

from mmseg_contrast.models.mixing.batch_color import YIQ, gaussian_blur, jitter_color

ONE, ZERO = torch.ones(2), torch.zeros(2)


def images(low=0.2, high=0.6):
    return low + (high - low) * torch.rand(2, 3, 5, 6)


def luma(x):
    return torch.einsum('c,bchw->bhw', torch.tensor(YIQ[0]), x)


def test_neutral_changes_nothing():
    x = images(0, 1)
    torch.testing.assert_close(jitter_color(x, ONE, ONE, ONE, ZERO), x, rtol=1e-5, atol=1e-6)


def test_each_factor_by_its_definition():
    x = images()
    factor = torch.tensor([0.8, 1.3])
    broad = factor[:, None, None, None]
    torch.testing.assert_close(jitter_color(x, factor, ONE, ONE, ZERO), x * broad)
    mean = luma(x).mean((1, 2))[:, None, None, None]
    expected = (broad * x + (1 - broad) * mean).clamp(0, 1)
    torch.testing.assert_close(
        jitter_color(x, ONE, factor, ONE, ZERO), expected, rtol=1e-4, atol=1e-5
    )
    expected = (broad * x + (1 - broad) * luma(x).unsqueeze(1)).clamp(0, 1)
    torch.testing.assert_close(
        jitter_color(x, ONE, ONE, factor, ZERO), expected, rtol=1e-4, atol=1e-5
    )


def test_hue_turns_the_chroma_and_keeps_luma_and_grey():
    x = images(0.4, 0.6)
    hue = torch.tensor([0.05, -0.1])
    turned = jitter_color(x, ONE, ONE, ONE, hue)
    torch.testing.assert_close(luma(turned), luma(x), rtol=1e-4, atol=1e-5)
    chroma = torch.tensor(YIQ[1:])
    before, after = (torch.einsum('ic,bchw->bihw', chroma, y) for y in (x, turned))
    angle = torch.atan2(after[:, 1], after[:, 0]) - torch.atan2(before[:, 1], before[:, 0])
    angle = (angle + math.pi) % (2 * math.pi) - math.pi
    expected = -2 * math.pi * hue[:, None, None].expand_as(angle)
    torch.testing.assert_close(angle, expected, rtol=1e-2, atol=1e-3)
    grey = torch.full((2, 3, 2, 2), 0.3)
    torch.testing.assert_close(jitter_color(grey, ONE, ONE, ONE, hue), grey, rtol=1e-4, atol=1e-5)


def test_hue_goes_the_way_of_hsv():
    red = torch.tensor([0.6, 0.3, 0.3]).view(1, 3, 1, 1)
    for shift in (0.1, -0.1):
        turned = jitter_color(red, ONE[:1], ONE[:1], ONE[:1], torch.tensor([shift]))
        hue = colorsys.rgb_to_hsv(*turned.flatten().tolist())[0]
        assert abs((hue - shift + 0.5) % 1 - 0.5) < 0.06, 'the direction, and about the amount'


def test_values_stay_in_range():
    x = images(0, 1)
    out = jitter_color(x, 2 * ONE, 2 * ONE, 2 * ONE, 0.3 * ONE)
    assert float(out.min()) >= 0 and float(out.max()) <= 1


def test_blur_equals_a_sum_over_the_kernel():
    x = torch.randn(2, 3, 20, 24, dtype=torch.float64)
    sigma = torch.tensor([0.3, 1.5], dtype=torch.float64)
    out = gaussian_blur(x, sigma, 1.5)
    for b, s in enumerate(sigma.tolist()):
        weights = {
            (i, j): math.exp(-(i * i + j * j) / (2 * s * s))
            for i in range(-5, 6)
            for j in range(-5, 6)
        }
        total = sum(weights.values())
        expected = sum(w * x[b, :, 10 + i, 12 + j] for (i, j), w in weights.items()) / total
        torch.testing.assert_close(out[b, :, 10, 12], expected)


@pytest.mark.parametrize('size', [(20, 24), (3, 4)])
def test_blur_keeps_constants_and_shapes(size):
    x = torch.full((2, 4, *size), 0.7)
    torch.testing.assert_close(gaussian_blur(x, torch.tensor([0.1, 1.5]), 1.5), x)
