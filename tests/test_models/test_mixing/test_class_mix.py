from dataclasses import replace

import pytest
import torch
from helpers import build, head_cfg, prepared, random_batch, semi_cfg, total_loss, without_gradient
from mmseg.registry import MODELS

from mmseg_contrast.models.mixing import ClassMix
from mmseg_contrast.models.mixing.class_mix import pick_classes
from mmseg_contrast.structures import PixelTargets

C = 5


def batch(number=3, size=(6, 7)):
    labels = torch.randint(0, C, (number, *size))
    labels[:, 0] = 255
    targets = PixelTargets.from_labels(labels)
    targets = replace(targets, weight=targets.weight * torch.rand(labels.shape))
    # the image tells where each pixel comes from
    images = torch.arange(labels.numel()).view(number, 1, *size).float()
    return images, targets


def test_pixels_labels_and_weights_move_together():
    images, targets = batch()
    mixed, moved = ClassMix(C).paste(images, targets, torch.ones(3, dtype=torch.bool))
    source = mixed.flatten().long()
    assert torch.equal(moved.labels.flatten(), targets.labels.flatten()[source])
    assert torch.equal(moved.weight.flatten(), targets.weight.flatten()[source])
    owner = mixed[:, 0].long() // targets.labels[0].numel()
    for i in range(3):
        j = (i + 1) % 3
        assert set(owner[i].unique().tolist()) == {i, j}
        pasted = owner[i] == j
        classes = set(targets.labels[j][pasted].tolist())
        assert 255 not in classes and len(classes) == C // 2
        # all pixels of these classes, at their places
        assert torch.equal(pasted, torch.isin(targets.labels[j], torch.tensor(sorted(classes))))


def test_coins_are_of_each_image():
    images, targets = batch()
    mixed, moved = ClassMix(C).paste(images, targets, torch.tensor([False, True, False]))
    assert torch.equal(mixed[::2], images[::2]) and torch.equal(
        moved.labels[::2], targets.labels[::2]
    )
    assert not torch.equal(mixed[1], images[1])


def test_an_image_alone_stays_as_it_is():
    images, targets = batch(1)
    mixed, moved = ClassMix(C).paste(images, targets, torch.ones(1, dtype=torch.bool))
    assert torch.equal(mixed, images) and torch.equal(moved.labels, targets.labels)


@pytest.mark.parametrize(
    ('classes', 'extra', 'number'),
    [
        ([], False, 0),
        ([2], False, 0),
        ([2], True, 1),
        ([1, 2], False, 1),
        ([1, 2], True, 2),
        ([1, 2, 4], False, 1),
        ([1, 2, 4], True, 2),
        ([0, 1, 2, 4], False, 2),
        ([0, 1, 2, 3, 4], True, 3),
    ],
)
def test_half_of_the_classes_are_picked(classes, extra, number):
    labels = torch.full((1, 4, 4), 255)
    for place, c in enumerate(classes):
        labels[0, place % 4, place // 4] = c
    for _ in range(10):
        picked = pick_classes(PixelTargets.from_labels(labels), C, extra, None)[0]
        assert int(picked.sum()) == number
        assert set(picked.nonzero().flatten().tolist()) <= set(classes)


def test_each_class_is_picked_equally_often():
    labels = torch.arange(4).repeat(1000, 1, 1)
    picked = pick_classes(PixelTargets.from_labels(labels), C, False, None).float().mean(0)
    assert picked[:4].tolist() == pytest.approx([0.5] * 4, abs=0.06)
    assert picked[4] == 0


def test_background_is_picked_only_where_it_is_alone():
    labels = torch.tensor([[[0, 0, 1, 3]], [[0, 0, 0, 255]]])
    targets = PixelTargets.from_labels(labels)
    for _ in range(10):
        picked = pick_classes(targets, C, True, 0)
        assert not picked[0, 0] and picked[1].tolist() == [True] + [False] * 4


@pytest.mark.parametrize('soft', [False, True])
def test_as_a_mixing_of_its_own_it_moves_the_pseudo_labels_alone(soft):
    images, targets = batch(5)
    probs = torch.rand(5, C, *targets.labels.shape[1:]).softmax(1)
    labeled, pseudo = targets[:2], replace(targets, probs=probs if soft else None)[2:]
    mixed = MODELS.build({'type': 'ClassMix', 'num_classes': C})(images, labeled, pseudo, 2)
    assert mixed.moved and mixed.labeled is labeled
    assert torch.equal(mixed.images[:2], images[:2])
    source = mixed.images[2:].flatten().long()
    assert not torch.equal(mixed.images[2:], images[2:])
    assert torch.equal(mixed.pseudo.labels.flatten(), targets.labels.flatten()[source])
    assert torch.equal(mixed.pseudo.weight.flatten(), targets.weight.flatten()[source])
    if soft:
        moved = mixed.pseudo.probs.movedim(1, 3).flatten(0, 2)
        assert torch.equal(moved, probs.movedim(1, 3).flatten(0, 2)[source])
    else:
        assert mixed.pseudo.probs is None


def test_prob_is_that_of_each_image():
    images, targets = batch(2000, (3, 4))
    mixed = ClassMix(C, prob=0.3)(images, targets[:0], targets, 0)
    changed = (mixed.images != images).flatten(1).any(1).float()
    assert changed.mean().item() == pytest.approx(0.3, abs=0.05)


def test_prob_out_of_range_is_named():
    with pytest.raises(ValueError, match=r'ClassMix\(prob=1.5\) is a probability: use \[0, 1\]'):
        ClassMix(C, prob=1.5)


@pytest.mark.parametrize('hard', [False, True])
def test_in_the_mixing_slot(hard):
    loss = {'type': 'ConsistencyLoss', 'hard': hard}
    # Without a contrast with the teacher's features, whose pixels do not move.
    heads = [head_cfg(in_index=0)]
    model = build(semi_cfg(mixing={'type': 'ClassMix'}, unsup_loss=loss, auxiliary_head=heads))
    losses = model.loss(*prepared(model, random_batch(2, 3)))
    total_loss(model, losses).backward()
    assert float(losses['unsup.loss_consistency']) > 0
    assert not without_gradient(model)
