"""What is given to a slot is a filling of it, or is refused by one sentence."""

import pytest
from helpers import build, semi_cfg
from torch import nn

from mmseg_contrast.models.mixing import ClassMix, Mixing
from mmseg_contrast.models.selectors import Selector
from mmseg_contrast.models.slots import build_slot, fillings

OTHER = {'type': 'EncoderDecoder'}


def test_a_filling_takes_what_its_config_does_not_say():
    known = {'num_classes': 4, 'mean': [0.0], 'background': None}
    mixing = build_slot('mixing', Mixing, {'type': 'ClassMix', 'prob': 0.5}, known)
    assert (mixing.num_classes, mixing.prob, mixing.background) == (4, 0.5, None)
    assert (
        build_slot('mixing', Mixing, {'type': ClassMix, 'num_classes': 7}, known).num_classes == 7
    )
    assert build_slot('mixing', Mixing, None, known) is None


def test_fillings_are_the_registered_subclasses():
    assert fillings(Mixing) == ['AugmentedViews', 'ClassMix', 'CrossSetCutMix', 'RingCutMix']


@pytest.mark.parametrize(
    ('cfg', 'message'),
    [
        ({}, r'selector\.type is missing: .*; there are AELMask, '),
        (
            {'type': 'Nothing'},
            "selector.type='Nothing' is not registered: correct its name or import",
        ),
        (
            {'type': 'ClassMix'},
            "selector.type='ClassMix' is no Selector: give one; there are AELMask, ",
        ),
        ({'type': nn.Linear}, r"selector.type='<class .*Linear'>' is no Selector: give one"),
    ],
)
def test_what_is_no_filling_is_named(cfg, message):
    with pytest.raises(ValueError, match=message):
        build_slot('selector', Selector, cfg, {})


@pytest.mark.parametrize(
    ('slot', 'cfg', 'base'),
    [
        ('selector', OTHER, 'Selector'),
        ('mixing', OTHER, 'Mixing'),
        ('class_weights', OTHER, 'ClassWeights'),
        ('unsup_loss', {'type': 'CrossEntropyLoss'}, 'UnsupervisedLoss'),
        ('views', [{'perturbation': OTHER}], 'ViewPerturbation'),
    ],
)
def test_the_segmentor_checks_each_slot(slot, cfg, base):
    with pytest.raises(
        ValueError, match=rf"{slot}.*\.type='.*' is no {base}: give one; there are [A-Z]"
    ):
        build(semi_cfg(**{slot: cfg}))
