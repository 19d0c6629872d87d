"""A training step must not wait for the device: neither student, teacher, selection nor mixing."""

import pytest
import torch
from helpers import (
    build,
    contrast_cfg,
    head_cfg,
    memory_bank_cfg,
    prepared,
    random_batch,
    select,
    semi_cfg,
    separate_teacher,
    total_loss,
)
from mmengine.optim import OptimWrapper
from sync_counter import SyncCounter

from mmseg_contrast.models.losses import grouped_contrast
from mmseg_contrast.models.memory import ClassMemoryBank
from mmseg_contrast.models.mixing import CrossSetCutMix
from mmseg_contrast.models.sampling.anchor_sampling import gather_pixels, sample_anchors
from mmseg_contrast.models.selectors import DynamicConfidentRegionSelection
from mmseg_contrast.structures import PixelTargets

VECTOR = torch.arange(6.0)
MASK = VECTOR > 2


@pytest.mark.parametrize(
    ('operation', 'name'),
    [
        (lambda: VECTOR.sum().item(), '_local_scalar_dense'),
        (lambda: float(VECTOR[0]), '_local_scalar_dense'),
        (lambda: bool(MASK.any()), '_local_scalar_dense'),
        (lambda: VECTOR.nonzero(), 'nonzero'),
        (lambda: torch.where(MASK), 'nonzero'),
        (lambda: VECTOR.unique(), '_unique2'),
        (lambda: VECTOR.view(2, 3).unique(dim=0), 'unique_dim'),
        (lambda: VECTOR.unique_consecutive(), 'unique_consecutive'),
        (lambda: VECTOR.masked_select(MASK), 'masked_select'),
        (lambda: VECTOR[MASK], 'index'),
        (lambda: VECTOR.clone().__setitem__(MASK, VECTOR[:3]), 'index_put_'),
        (lambda: torch.bincount(VECTOR.long()), 'bincount'),
        (lambda: VECTOR.repeat_interleave(torch.ones(6).long()), 'repeat_interleave'),
        (lambda: torch.equal(VECTOR, VECTOR + 1), 'equal'),
    ],
)
def test_the_counter_sees(operation, name):
    with SyncCounter() as counter:
        operation()
    assert counter.counts[name] >= 1


def test_the_counter_sees_backward_passes_and_lets_the_rest_through():
    class Waits(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * grad.sum().item()

    x = VECTOR.clone().requires_grad_()
    with SyncCounter() as counter:
        Waits.apply(x).sum().backward()
    assert counter.total == 1
    with SyncCounter() as counter:
        VECTOR[torch.tensor([0, 2])].sum()
        VECTOR.repeat_interleave(2)
        VECTOR.clone()[1:3] = 4.0
    assert counter.total == 0


def full_model():
    heads = [
        head_cfg(in_index=0),
        contrast_cfg(in_index='decode', labeled_keys='teacher', exclude_classes=(0,)),
    ]
    model = build(semi_cfg(auxiliary_head=heads))
    separate_teacher(model)
    return model


def bank_model():
    model = build(memory_bank_cfg())
    separate_teacher(model)
    return model


@pytest.mark.parametrize('make', [full_model, bank_model])
@pytest.mark.parametrize('num_unlabeled', [0, 2])
def test_a_training_step_has_no_host_sync(make, num_unlabeled):
    model = make()
    optim_wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.1))
    ema = model.teacher_ema()
    batch = random_batch(2, num_unlabeled)
    with SyncCounter() as counter:
        logs = model.train_step(batch, optim_wrapper)
        model.ema_steps.fill_(1)
        ema.update(0.01)
        for module in model.modules():
            if isinstance(module, ClassMemoryBank):
                module.commit()
        model.running_stats.add({'again': logs['loss']})
    assert dict(counter.counts) == {}
    assert logs['loss'].item() > 0
    assert model.running_stats.pop()['again'] == pytest.approx(logs['loss'].item())


def test_plain_mmseg_heads_would_have_synchronised():
    model = full_model()
    images, samples = prepared(model, random_batch(2, 0))
    with SyncCounter() as counter:
        model.decode_head.loss(model.extract_feat(images['sup']), samples['sup'], {})
    assert counter.total > 0, 'else supervised_losses has lost its reason'


@pytest.mark.parametrize('make', [full_model, bank_model])
def test_a_training_step_runs_without_any_data(make):
    # On the meta device every read of a value raises.
    model = make()
    images, samples = prepared(model, random_batch())
    model.to('meta')
    images = {name: image.to('meta') for name, image in images.items()}
    for branch in samples.values():
        for sample in branch:
            sample.gt_sem_seg.data = sample.gt_sem_seg.data.to('meta')
    loss = total_loss(model, model.loss(images, samples))
    loss.backward()
    torch.optim.SGD(model.parameters(), 0.1, momentum=0.9).step()
    model.teacher_ema().update(0.01)
    assert loss.device.type == 'meta'
    with pytest.raises(NotImplementedError):
        model.running_stats.pop()


def test_each_part_runs_without_any_data():
    meta = torch.device('meta')
    features = torch.empty(4, 8, 6, 6, device=meta, requires_grad=True)
    labels = torch.empty(4, 6, 6, dtype=torch.long, device=meta)
    hard = torch.empty(4, 6, 6, dtype=torch.bool, device=meta)
    index, filled = sample_anchors(labels, 3, 5, hard)
    anchors = gather_pixels(features, index).transpose(0, 1).flatten(1, 2)
    mask = filled.transpose(0, 1).flatten(1)
    loss, *counts = grouped_contrast(anchors, anchors.detach(), mask, mask, 0.15)
    loss.backward()
    assert features.grad.shape == features.shape
    assert all(count.device == meta for count in counts)

    selector = DynamicConfidentRegionSelection(3).to(meta)
    weight, _ = select(selector, torch.empty(2, 3, 6, 6, device=meta), hard[:2])
    assert weight.shape == (2, 6, 6)
    for pairs in ('random', 'cross', 'intra'):
        pseudo = PixelTargets(labels[2:], weight, None)
        mixed = CrossSetCutMix(pairs)(
            torch.empty(4, 3, 6, 6, device=meta), PixelTargets.from_labels(labels[:2]), pseudo, 2
        )
        mixed.align(features).sum().backward()
        assert mixed.images.shape == (4, 3, 6, 6)
