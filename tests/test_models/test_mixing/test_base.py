"""What holds for every mixing."""

import inspect

import pytest
import torch
from mmseg.registry import MODELS

from mmseg_contrast.models.mixing import Mixed, Mixing
from mmseg_contrast.models.slots import build_slot, fillings
from mmseg_contrast.structures import PixelTargets

KNOWN = {'num_classes': 3, 'mean': [0.0] * 3, 'std': [1.0] * 3}


def test_by_default_outputs_stay_where_they_are():
    targets = PixelTargets.from_labels(torch.zeros(1, 2, 2, dtype=torch.long))
    mixed = Mixed(torch.zeros(2, 3, 2, 2), targets, targets)
    output = torch.randn(2, 4, 1, 1)
    assert mixed.align(output) is output
    assert not mixed.moved


@pytest.mark.parametrize('name', fillings(Mixing))
def test_it_declares_what_it_does_to_the_targets(name):
    images, labels = torch.randn(5, 3, 8, 8), torch.randint(0, 3, (5, 8, 8))
    probs = torch.rand(5, 3, 8, 8).softmax(1)
    targets = PixelTargets(labels, torch.ones(5, 8, 8), probs)
    mixing = build_slot('mixing', Mixing, {'type': name}, KNOWN)
    mixed = mixing(images, targets[:2], targets[2:], 2)
    assert mixed.moved == mixing.moves_targets
    assert (mixed.pseudo.probs is None) == mixing.drops_probs
    assert len(mixed.images) == len(mixed.labeled) + len(mixed.pseudo)
    assert 'num_in_domain' in inspect.signature(MODELS.get(name).forward).parameters
