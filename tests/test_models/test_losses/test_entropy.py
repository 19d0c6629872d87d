import math

import pytest
import torch
from helpers import set_iter

from mmseg_contrast.models.losses import EntropyLoss, pixel_entropy
from mmseg_contrast.structures import PixelTargets


def literal(logits, valid):
    values = []
    for b, row, col in valid.nonzero().tolist():
        z = logits[b, :, row, col]
        p = z.exp() / z.exp().sum()
        values.append(-(p * p.log()).sum())
    return torch.stack(values).mean()


def test_equals_a_loop():
    logits = torch.randn(2, 5, 3, 4, dtype=torch.float64, requires_grad=True)
    valid = torch.rand(2, 3, 4) < 0.6
    one, other = pixel_entropy(logits, valid), literal(logits, valid)
    assert one.item() == pytest.approx(other.item(), abs=1e-14)
    for a, b in zip(torch.autograd.grad(one, logits), torch.autograd.grad(other, logits)):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-14)


def test_ends_of_its_range():
    valid = torch.ones(1, 2, 2, dtype=torch.bool)
    assert pixel_entropy(torch.zeros(1, 7, 2, 2), valid).item() == pytest.approx(math.log(7))
    sure = torch.zeros(1, 7, 2, 2)
    sure[:, 3] = 1e4
    assert pixel_entropy(sure.requires_grad_(), valid).item() == 0
    pixel_entropy(sure, valid).backward()
    assert torch.isfinite(sure.grad).all()


def test_no_valid_pixel_is_an_exact_zero():
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = pixel_entropy(logits, torch.zeros(1, 2, 2, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0 and not logits.grad.any()


def test_weight_ramp_and_ignored_pixels():
    logits = torch.randn(1, 3, 2, 2)
    labels = torch.tensor([[[0, 255], [1, 2]]])
    module = EntropyLoss(loss_weight=0.5, ramp={'start': 10})
    targets = PixelTargets(labels, torch.zeros(1, 2, 2))
    set_iter(9)
    assert module(logits, targets)[0]['loss_entropy'].item() == 0
    set_iter(10)
    losses, stats = module(logits, targets)
    expected = literal(logits, labels != 255).item()
    assert losses['loss_entropy'].item() == pytest.approx(0.5 * expected)
    assert float(stats['entropy_raw']) == pytest.approx(expected)
