from dataclasses import replace

import pytest
import torch

from mmseg_contrast.models.mixing.batch_geometry import flip_and_resize
from mmseg_contrast.structures import PixelTargets


def call(images, labels, flip=False, scale=1.0, place=(0.5, 0.5)):
    batch = len(images)
    targets = PixelTargets.from_labels(labels)
    targets = replace(targets, weight=targets.weight * (labels.float() / 300 + 0.1))
    moved, targets = flip_and_resize(
        images,
        targets,
        torch.full((batch,), flip),
        torch.full((batch,), scale),
        torch.tensor([place] * batch),
    )
    return moved, targets


def batch(height=9, width=12, channels=2):
    labels = torch.randint(0, 7, (2, height, width))
    labels[:, 2] = 255
    return torch.randn(2, channels, height, width), labels


def test_nothing_changes_nothing():
    images, labels = batch()
    moved, targets = call(images, labels)
    assert torch.equal(moved, images) and torch.equal(targets.labels, labels)


def test_flip_mirrors():
    images, labels = batch()
    moved, targets = call(images, labels, flip=True)
    torch.testing.assert_close(moved, images.flip(3), rtol=1e-5, atol=1e-5)
    assert torch.equal(targets.labels, labels.flip(2))
    moved, targets = call(moved, targets.labels, flip=True)
    torch.testing.assert_close(moved, images, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('place', [(0.0, 0.0), (0.0, 1.0), (0.5, 0.25)])
def test_magnified_twice_shows_each_pixel_four_times(place):
    images, labels = batch(8, 12)
    moved, targets = call(images, labels, scale=2.0, place=place)
    large = labels.repeat_interleave(2, 1).repeat_interleave(2, 2)
    top, left = (round(p * n) for p, n in zip(place, (8, 12)))
    assert torch.equal(targets.labels, large[:, top : top + 8, left : left + 12])
    smooth = torch.nn.functional.interpolate(images, scale_factor=2, mode='bilinear')
    expected = smooth[:, :, top : top + 8, left : left + 12]
    torch.testing.assert_close(moved, expected, rtol=1e-4, atol=1e-4)


def test_reduced_is_centred_and_its_frame_is_ignored():
    images, labels = batch(8, 12)
    moved, targets = call(images, labels, scale=0.5)
    inner = (slice(None), slice(2, 6), slice(3, 9))
    frame = torch.ones(2, 8, 12, dtype=torch.bool)
    frame[inner] = False
    assert (targets.labels[frame] == 255).all() and (targets.weight[frame] == 0).all()
    assert not moved.movedim(1, -1)[frame].any()
    assert torch.equal(targets.labels[inner], labels[:, 1::2, 1::2])
    assert (targets.labels[inner] != 255).any()


@pytest.mark.parametrize('scale', [0.75, 0.9, 1.3, 1.75])
@pytest.mark.parametrize('flip', [False, True])
@pytest.mark.parametrize('size', [(16, 16), (15, 22)])
def test_images_and_labels_move_alike(scale, flip, size):
    # An image of its own coordinates says where each output pixel comes from.
    y, x = torch.meshgrid(*(torch.arange(n).float() for n in size), indexing='ij')
    images = torch.stack([y, x])[None].repeat(2, 1, 1, 1)
    labels = (y * size[1] + x).long()[None].repeat(2, 1, 1)
    moved, targets = call(images, labels, flip, scale, (0.3, 0.8))
    inside = targets.labels != 255
    inside &= targets.weight > 0
    row, col = targets.labels // size[1], targets.labels % size[1]
    assert inside.float().mean() > 0.5
    assert ((moved[:, 0] - row).abs()[inside] <= 0.5 + 1e-3).all()
    assert ((moved[:, 1] - col).abs()[inside] <= 0.5 + 1e-3).all()
    torch.testing.assert_close(
        targets.weight[inside], (targets.labels.float() / 300 + 0.1)[inside], rtol=1e-5, atol=1e-5
    )


def test_each_image_has_its_own_draw():
    images, labels = batch()
    moved, targets = flip_and_resize(
        images,
        PixelTargets.from_labels(labels),
        torch.tensor([True, False]),
        torch.tensor([1.0, 1.0]),
        torch.rand(2, 2),
    )
    assert torch.equal(targets.labels[0], labels[0].flip(1))
    assert torch.equal(targets.labels[1], labels[1]) and torch.equal(moved[1], images[1])
