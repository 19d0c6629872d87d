"""The class-wise memory bank in the slots of the semi-supervised segmentor."""

import copy

import pytest
import torch
import torch.nn.functional as F
from helpers import (
    SET_SIZES,
    STRONG_VIEW,
    bank_contrast_cfg,
    build,
    contrast_cfg,
    head_cfg,
    memory_bank_cfg,
    prepared,
    random_batch,
    semi_cfg,
    separate_teacher,
    set_iter,
    total_loss,
    without_gradient,
)

from mmseg_contrast.models.class_weights import median_frequency_weights


def labels_of(samples):
    return torch.cat([sample.gt_sem_seg.data for sample in samples])


def upsampled(branch, head, images):
    logits = head(branch.extract_feat(images))
    return F.interpolate(logits, images.shape[2:], mode='bilinear', align_corners=False)


def union(truth, pseudo):
    """Frequencies of the classes, each set by its size."""
    shares = [
        torch.stack([(x == c).sum() / (x != 255).sum() for c in range(3)]) for x in (truth, pseudo)
    ]
    return sum(size * share for size, share in zip(SET_SIZES, shares))


def test_losses_equal_a_step_by_hand():
    # Views that are copies: what is left can be written down.
    model = build(memory_bank_cfg(mixing={'type': 'AugmentedViews', 'num_views': 2}))
    separate_teacher(model)
    images, samples = prepared(model, random_batch(2, 1))
    reference = copy.deepcopy(model)
    losses = model.loss(images, samples)

    truth, valid = labels_of(samples['sup']), labels_of(samples['weak']) != 255
    with torch.no_grad():
        teacher = reference.teacher
        probs = upsampled(teacher, teacher.decode_head, images['weak']).softmax(1)
    confidence, pseudo = probs.max(1)
    pseudo = pseudo.masked_fill(~valid, 255)
    alpha = median_frequency_weights(union(truth, pseudo))
    logits = upsampled(
        reference, reference.decode_head, torch.cat([images['sup'], *[images['weak']] * 2])
    )
    ce = F.cross_entropy(logits[:2], truth, alpha, ignore_index=255, reduction='none')
    expected = {'sup.decode.loss_ce': ce.sum() / (truth != 255).sum()}
    ce = F.cross_entropy(
        logits[2:], pseudo.repeat(2, 1, 1), alpha, ignore_index=255, reduction='none'
    )
    expected['unsup.loss_consistency'] = (ce * confidence.pow(6)).mean()
    p = logits[2:].softmax(1)
    entropy = -(p * p.log()).sum(1)[valid.repeat(2, 1, 1)].mean()
    expected['unsup.loss_entropy'] = 0.1 * entropy
    assert set(losses) == {*expected, 'sup.aux_0.loss_ce', 'contrast.loss_contrast'}
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value, rtol=2e-4, atol=1e-6, msg=name)


def test_the_teacher_sees_the_labelled_views_that_the_student_sees():
    model = build(memory_bank_cfg())
    images, samples = prepared(model, random_batch(2, 2))
    seen = {'student': [], 'teacher': []}
    model.backbone.register_forward_pre_hook(lambda _, args: seen['student'].append(args[0]))
    model.teacher.backbone.register_forward_pre_hook(
        lambda _, args: seen['teacher'].append(args[0])
    )
    model.loss(images, samples)
    (student,) = seen['student']
    raw, labeled = seen['teacher']
    assert torch.equal(raw, images['weak']), 'pseudo-labels of the images as they come'
    assert torch.equal(labeled, student[:2]) and not torch.equal(labeled, images['sup'])
    assert student.shape[0] == 2 + 2 * 2


def test_supervised_loss_follows_the_labels_that_moved():
    # A flip for certain: with a pointwise view of the loss, labels that stayed would tell.
    model = build(memory_bank_cfg(mixing={'type': 'AugmentedViews', 'weak': {'flip': 1.0}}))
    images, samples = prepared(model, random_batch(2, 1))
    reference = copy.deepcopy(model)
    losses = model.loss(images, samples)
    truth = labels_of(samples['sup']).flip(2)
    joined = torch.cat([images['sup'].flip(3), *[images['weak']] * 2])
    logits = upsampled(reference, reference.decode_head, joined)[:2]
    alpha = reference_weights(reference, images, samples)
    ce = F.cross_entropy(logits, truth, alpha, ignore_index=255, reduction='none')
    expected = ce.sum() / (truth != 255).sum()
    torch.testing.assert_close(losses['sup.decode.loss_ce'], expected, rtol=2e-4, atol=1e-5)


def reference_weights(model, images, samples):
    with torch.no_grad():
        probs = upsampled(model.teacher, model.teacher.decode_head, images['weak'])
    pseudo = probs.argmax(1).masked_fill(labels_of(samples['weak']) == 255, 255)
    return median_frequency_weights(union(labels_of(samples['sup']), pseudo))


def test_no_teacher_on_labelled_images_before_the_bank_starts():
    model = build(memory_bank_cfg(auxiliary_head=[bank_contrast_cfg(bank_start=3)]))
    images, samples = prepared(model, random_batch(2, 2))
    calls = []
    model.teacher.backbone.register_forward_pre_hook(lambda _, args: calls.append(len(args[0])))
    set_iter(2)
    model.loss(images, samples)
    set_iter(3)
    model.loss(images, samples)
    assert calls == [2, 2, 2]


def test_the_teacher_has_heads_and_selectors_and_no_bank():
    model = build(memory_bank_cfg())
    state = model.teacher.state_dict()
    assert not any('.bank.' in key for key in state)
    for part in ('projector', 'predictor', 'selectors', 'memory_selectors'):
        assert any(f'auxiliary_head.1.{part}.' in key for key in state), part
    separate_teacher(model)
    model.teacher_ema().copy()
    for key, value in model.teacher.state_dict().items():
        assert torch.equal(value, model.state_dict()[key]), key


# ------------------------------------------------------------------ a second labelled domain


def test_source_images_are_learnt_from_and_kept_out_of_bank_and_statistics():
    cfg = memory_bank_cfg(mixing={'type': 'AugmentedViews'})
    model = build(cfg)
    separate_teacher(model)
    images, samples = prepared(model, random_batch(2, 2, num_source=3))
    for sample in samples['source']:
        sample.gt_sem_seg.data.fill_(2)  # the other domain has one class
    for sample in samples['sup']:
        sample.gt_sem_seg.data.remainder_(2)  # the target's labels have the two others
    alone = copy.deepcopy(model)
    without = [{k: v for k, v in x.items() if k != 'source'} for x in (images, samples)]
    model.loss(images, samples)
    alone.loss(*without)
    assert torch.equal(model.class_weights.frequency, alone.class_weights.frequency)
    for each in (model, alone):
        each.auxiliary_head[1].bank.commit()
    bank, other = (each.auxiliary_head[1].bank for each in (model, alone))
    assert torch.equal(bank.count, other.count) and bank.count[2] == 0 < bank.count[:2].max()
    torch.testing.assert_close(bank.rows, other.rows, rtol=1e-4, atol=1e-5)

    stats = model.running_stats.pop()
    known = [int((labels_of(samples[n])[:, 2::4, 2::4] != 255).sum()) for n in ('sup', 'source')]
    assert stats['contrast.pixels_labeled'] == pytest.approx(sum(known))


def test_source_labels_are_in_the_supervised_loss():
    model = build(
        memory_bank_cfg(mixing={'type': 'AugmentedViews'}, class_weights=None, auxiliary_head=None)
    )
    images, samples = prepared(model, random_batch(1, 1, num_source=2))
    reference = copy.deepcopy(model)
    loss = model.loss(images, samples)['sup.decode.loss_ce']
    joined = torch.cat([images['sup'], images['source'], *[images['weak']] * 2])
    logits = upsampled(reference, reference.decode_head, joined)[:3]
    truth = torch.cat([labels_of(samples['sup']), labels_of(samples['source'])])
    expected = F.cross_entropy(logits, truth, ignore_index=255)
    torch.testing.assert_close(loss, expected, rtol=2e-4, atol=1e-6)


def test_source_images_alone_train_too():
    model = build(memory_bank_cfg())
    images, samples = prepared(model, random_batch(0, 0, num_source=2))
    total_loss(model, model.loss(images, samples)).backward()
    assert without_gradient(model) == []
    assert not model.auxiliary_head[1].bank.count.any()


# ------------------------------------------------------------------ unusual batches, options


@pytest.mark.parametrize('num_classes', [2, 3])
@pytest.mark.parametrize(
    ('num_labeled', 'num_unlabeled', 'num_source', 'size', 'ignored'),
    [
        pytest.param(2, 2, 0, (32, 32), 0.1, id='usual'),
        pytest.param(2, 0, 0, (32, 32), 0.1, id='labelled only'),
        pytest.param(0, 2, 0, (32, 32), 0.1, id='unlabelled only'),
        pytest.param(1, 1, 0, (32, 32), 0.1, id='one of each'),
        pytest.param(2, 2, 2, (32, 32), 0.1, id='three sources'),
        pytest.param(2, 2, 0, (32, 32), 1.0, id='all ignored'),
        pytest.param(2, 3, 1, (33, 47), 0.1, id='odd size'),
    ],
)
def test_any_batch_gives_finite_losses_and_all_gradients(
    num_classes, num_labeled, num_unlabeled, num_source, size, ignored
):
    model = build(memory_bank_cfg(num_classes, size))
    batch = random_batch(num_labeled, num_unlabeled, size, num_classes, ignored, num_source)
    for _ in range(2):
        loss = total_loss(model, model.loss(*prepared(model, batch)))
        assert torch.isfinite(loss)
        model.auxiliary_head[1].bank.commit()
    loss.backward()
    assert without_gradient(model) == []
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.requires_grad)


def test_bfloat16():
    model = build(memory_bank_cfg())
    batch = prepared(model, random_batch())
    for _ in range(2):
        with torch.autocast('cpu', torch.bfloat16):
            loss = total_loss(model, model.loss(*batch))
        model.auxiliary_head[1].bank.commit()
    loss.backward()
    assert torch.isfinite(loss) and model.auxiliary_head[1].bank.rows.dtype == torch.float32
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.requires_grad)


def test_teacher_by_batch_statistics_follows_the_mode():
    cfg = memory_bank_cfg()
    cfg['semi_train_cfg'] = {'teacher_norm': 'batch'}
    model = build(cfg)
    assert model.teacher.training and not model.eval().teacher.training
    assert not build(memory_bank_cfg()).teacher.training
    model.train()
    images, samples = prepared(model, random_batch())
    before = model.teacher.backbone.stage1[1].running_mean.clone()
    model.loss(images, samples)
    assert not torch.equal(before, model.teacher.backbone.stage1[1].running_mean)
    assert not any(p.requires_grad for p in model.teacher.parameters())


def test_views_that_move_pixels_leave_the_labelled_images_to_the_head_of_c3():
    cfg = semi_cfg(
        auxiliary_head=[contrast_cfg(sources=('labeled',))],
        mixing={'type': 'AugmentedViews', 'strong': STRONG_VIEW},
        unsup_loss={'type': 'ConsistencyLoss', 'hard': True},
    )
    model = build(cfg)
    images, samples = prepared(model, random_batch())
    loss = total_loss(model, model.loss(images, samples))
    loss.backward()
    assert torch.isfinite(loss) and without_gradient(model) == []


@pytest.mark.parametrize('key', ['decode_head', 'auxiliary_head'])
def test_class_weights_need_our_cross_entropy(key):
    other = {'loss_decode': {'type': 'CrossEntropyLoss'}}
    cfg = memory_bank_cfg()
    if key == 'decode_head':
        cfg[key] = head_cfg(**other)
    else:
        cfg[key][0] = head_cfg(in_index=0, **other)
    with pytest.raises(ValueError, match='class_weights needs heads whose loss_decode is a Pixel'):
        build(cfg)


@pytest.mark.parametrize('slot', ['selector', 'mixing', 'class_weights'])
def test_an_unknown_filling_is_named(slot):
    with pytest.raises(ValueError, match=f"{slot}.type='Nothing' is not registered"):
        build(memory_bank_cfg(**{slot: {'type': 'Nothing'}}))


def test_teacher_norm_is_checked():
    with pytest.raises(ValueError, match="teacher_norm='some' is unknown"):
        build(memory_bank_cfg(semi_train_cfg={'teacher_norm': 'some'}))


@pytest.mark.parametrize('bgr_to_rgb', [True, False])
def test_the_views_know_the_order_of_the_channels(bgr_to_rgb):
    cfg = memory_bank_cfg()
    cfg['data_preprocessor'] = {**cfg['data_preprocessor'], 'bgr_to_rgb': bgr_to_rgb}
    assert build(cfg).mixing.bgr is not bgr_to_rgb
