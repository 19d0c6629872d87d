from types import SimpleNamespace

import pytest
import torch
from helpers import CHANNELS, build, contrast_cfg, data_sample, head_cfg, plain_cfg, semi_cfg
from mmengine.hooks import Hook
from mmseg.registry import MODELS

from mmseg_contrast.engine.checks.network import (
    check_bank_is_filled,
    check_network,
    check_preprocessor,
    check_sample,
    check_trainable,
    ignored_labels,
    num_classes,
    padded_size,
    smallest_forward,
)
from mmseg_contrast.engine.hooks import MemoryBankHook
from mmseg_contrast.models.memory import ClassMemoryBank
from mmseg_contrast.models.segmentors import SemiSupervisedSegmentor

PSP = {**head_cfg(), 'type': 'PSPHead', 'pool_scales': (1, 2)}
for key in ('num_convs', 'kernel_size', 'concat_input'):
    PSP.pop(key, None)


@pytest.mark.parametrize(
    ('size', 'size_divisor', 'said'),
    [
        ((32, 32), None, None),
        (None, 32, None),
        (None, None, 'it has no size, to which to pad the images; set size=crop_size.'),
        ((32, 32), 32, 'it has both size and size_divisor; give size alone.'),
    ],
)
def test_what_images_are_padded_to(size, size_divisor, said):
    model = build(plain_cfg())
    model.data_preprocessor.size, model.data_preprocessor.size_divisor = size, size_divisor
    expected = [f'model.data_preprocessor: {said}'] if said else []
    assert [str(problem) for problem in check_preprocessor(model)] == expected
    assert padded_size(model) == size


class OneSample(list):
    """A data set whose pipeline has made this sample."""


def sample(height=8, labels=True):
    packed = data_sample(torch.zeros(height, 8))
    if not labels:
        del packed.gt_sem_seg
    return {'inputs': torch.zeros(3, height, 8), 'data_samples': packed}


def branches(**each):
    return {
        key: {name: None if row is None else row[key] for name, row in each.items()}
        for key in ('inputs', 'data_samples')
    }


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        (sample(), None),
        ({'img': 0}, None),
        (branches(sup=sample(), weak=None), None),
        (
            sample(labels=False),
            "labelled images: the pipeline gives no label map; add dict(type='LoadAnnotations') after "
            'the loading of the image.',
        ),
        (
            branches(sup=None, weak=sample(labels=False)),
            "labelled images: the pipeline gives no label map in the branch 'weak'; add "
            "dict(type='LoadAnnotations') after the loading of the image.",
        ),
        (
            sample(height=9),
            'labelled images: the pipeline gives an image of 9 x 8, larger than data_preprocessor.size='
            "(8, 8) (height x width); end the geometry with dict(type='RandomCrop', crop_size=size).",
        ),
    ],
)
def test_what_the_pipeline_makes(given, said):
    found = check_sample(OneSample([given]), 'labelled images', (8, 8))
    assert [str(problem) for problem in found] == ([said] if said else [])


@pytest.mark.parametrize('head', [head_cfg(), PSP])
def test_networks_that_fit_leave_the_model_as_it_is(head):
    model = build(semi_cfg(decode_head=head)).eval()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    assert check_network(model, 2, (32, 32)) == []
    assert not model.training and torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ('model', 'images', 'said'),
    [
        (
            {'decode_head': PSP},
            1,
            'model.decode_head: a batch norm sees one value of each channel, since 1 image of 32 x 32 is '
            'all that a forward may have',
        ),
        (
            {'auxiliary_head': [head_cfg(in_channels=7, in_index=0)]},
            2,
            f'model.auxiliary_head.0: a convolution of it takes 7 channels, and gets {CHANNELS}; '
            'correct in_channels or in_index.',
        ),
        (
            {'auxiliary_head': [head_cfg(), contrast_cfg(in_index=2)]},
            2,
            'model.auxiliary_head.1: the backbone has no stage of its in_index',
        ),
    ],
)
def test_networks_that_do_not_fit(model, images, said):
    [problem] = check_network(build(semi_cfg(**model)), images, (32, 32))
    assert str(problem).startswith(said)


def test_images_in_the_smallest_forward():
    plain = SimpleNamespace()
    assert smallest_forward(None, 4, plain) == smallest_forward([4], 4, plain) == 4
    for burn_in, expected in ((0, 6), (3, 4)):
        norm = SimpleNamespace(teacher_norm='running')
        model = SimpleNamespace(semi_train_cfg=norm, burn_in=burn_in)
        assert smallest_forward([3, 1, 2], 6, model) == expected
        norm.teacher_norm = 'batch'
        assert smallest_forward([3, 1, 2], 6, model) == 2


class PairHead(MODELS.get('mmseg.FCNHead')):
    def forward(self, inputs):
        return super().forward(inputs), None


def test_a_head_that_gives_several_maps():
    MODELS.register_module(module=PairHead, force=True)
    cfg = plain_cfg(decode_head={**head_cfg(), 'type': 'PairHead'})
    assert check_network(build(cfg), 2, (32, 32)) == [], 'MMSeg trains it'
    [problem] = check_network(
        build({**semi_cfg(), **cfg, 'type': 'SemiSupervisedSegmentor'}), 2, (32, 32)
    )
    assert str(problem).startswith('model.decode_head: PairHead gives several maps in training')


@pytest.mark.parametrize('cfg', [plain_cfg, semi_cfg])
def test_a_head_of_a_cascade_that_stands_alone(cfg):
    head = head_cfg(type='OCRHead', ocr_channels=4)
    for key in ('num_convs', 'concat_input', 'kernel_size'):
        head.pop(key, None)
    (problem,) = check_network(build(cfg(decode_head=head)), 2, (16, 16))
    assert str(problem) == (
        'model.decode_head: OCRHead refines the output of another head, and is the only one; take another '
        'decode head, or CascadeEncoderDecoder with labels alone.'
    )


def test_a_model_that_is_frozen():
    model = build(plain_cfg())
    assert check_trainable(model) == []
    [problem] = check_trainable(model.requires_grad_(False))
    assert str(problem).startswith('model: each parameter is frozen')


def test_a_bank_that_nothing_writes_is_found():
    model = torch.nn.Sequential(ClassMemoryBank(2, 3, 4))
    (problem,) = check_bank_is_filled(model, [Hook()])
    assert str(problem).startswith('custom_hooks') and 'MemoryBankHook' in str(problem)
    assert check_bank_is_filled(model, [MemoryBankHook()]) == []
    assert check_bank_is_filled(torch.nn.Linear(1, 1), []) == []


def test_the_segmentors_of_this_package_ignore_255_too():
    model = torch.nn.Module()
    model.decode_head = SimpleNamespace(ignore_index=0)
    assert ignored_labels(model) == {0}
    semi = SemiSupervisedSegmentor.__new__(SemiSupervisedSegmentor)
    torch.nn.Module.__init__(semi)
    semi.decode_head = torch.nn.Identity()
    semi.decode_head.ignore_index = 0
    assert ignored_labels(semi) == {0, 255}


def test_classes_of_the_last_head():
    model = torch.nn.Module()
    assert num_classes(model) is None
    model.decode_head = SimpleNamespace(num_classes=5)
    assert num_classes(model) == 5
    model.decode_head = torch.nn.ModuleList([torch.nn.Identity(), torch.nn.Identity()])
    model.decode_head[1].num_classes = 3
    assert num_classes(model) == 3
