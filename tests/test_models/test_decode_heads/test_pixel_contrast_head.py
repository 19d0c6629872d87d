import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from helpers import (
    CHANNELS,
    build,
    contrast_cfg,
    data_sample,
    make_step,
    plain_cfg,
    prepared,
    random_batch,
    random_label,
    semi_cfg,
    separate_teacher,
    set_iter,
    total_loss,
)
from mmseg.registry import MODELS
from torch import nn

from mmseg_contrast.models.losses import grouped_contrast
from mmseg_contrast.structures import Features, PixelTargets

SIZE = (4, 5)


def head(**kwargs):
    module = MODELS.build(contrast_cfg(num_classes=3, **kwargs))
    module.init_weights()
    return module


def random_step(num_labeled=2, num_unlabeled=2, size=SIZE, logits=True):
    """A step whose targets have the features' resolution, without mixing."""
    total = num_labeled + num_unlabeled
    stages = (torch.zeros(total, 1, *size), torch.randn(total, CHANNELS, *size))

    def targets(count):
        if not count:
            return None
        return PixelTargets.from_labels(torch.stack([random_label(size) for _ in range(count)]))

    return make_step(
        Features(stages),
        targets(num_labeled),
        targets(num_unlabeled),
        teacher=Features((stages[0], torch.randn(num_unlabeled, CHANNELS, *size))),
        teacher_labeled=Features((stages[0], torch.randn(num_labeled, CHANNELS, *size))),
        logits=torch.randn(total, 3, *size) if logits else None,
    )


def all_pixels_loss(step, student, teacher, temperature, labeled_keys='student', drop=()):
    """Eq. 5 over all pixels, by loops: what the head computes once K reaches every pixel."""
    embedding = F.normalize(student.projector(step.student.stages[1]), dim=1)
    with torch.no_grad():
        from_teacher = F.normalize(teacher.projector(step.teacher.stages[1]), dim=1)
        own = embedding[: len(step.labeled)]
        if labeled_keys == 'teacher':
            own = F.normalize(teacher.projector(step.teacher_labeled.stages[1]), dim=1)
        keys = torch.cat([own, from_teacher])
    labels = step.targets.accepted_labels.flatten()
    anchors = embedding.movedim(1, -1).flatten(0, 2)
    keys = keys.movedim(1, -1).flatten(0, 2).detach()
    used = [i for i in range(len(labels)) if int(labels[i]) not in (255, *drop)]
    terms = []
    for i in used:
        similar = [j for j in used if labels[j] == labels[i] and j != i]
        other = [j for j in used if labels[j] != labels[i]]
        if not similar:
            continue
        negatives = (keys[other] @ anchors[i] / temperature).exp().sum()
        positive = (keys[similar] @ anchors[i] / temperature).exp()
        terms.append(-(positive / (positive + negatives)).log().mean())
    return torch.stack(terms).mean()


@pytest.mark.parametrize('labeled_keys', ['student', 'teacher'])
@pytest.mark.parametrize('drop', [(), (0,)])
def test_with_all_pixels_it_is_equation_5(labeled_keys, drop):
    student = head(
        samples_per_class=20,
        labeled_keys=labeled_keys,
        exclude_classes=drop,
        temperature=0.3,
        loss_weight=0.5,
    )
    teacher = head()
    step = random_step()
    losses, stats = student.loss_by_step(step, teacher)
    expected = all_pixels_loss(step, student, teacher, 0.3, labeled_keys, drop)
    torch.testing.assert_close(losses['loss_contrast'], 0.5 * expected)
    torch.testing.assert_close(stats['raw'].value(), expected.detach())
    used = step.targets.accepted_labels
    used = (used != 255) & ~torch.isin(used, torch.tensor(drop))
    assert int(stats['anchors']) == int(used.sum())
    params = list(student.projector.parameters())
    for got, want in zip(
        torch.autograd.grad(losses['loss_contrast'], params),
        torch.autograd.grad(0.5 * expected, params),
    ):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('pseudo', [False, True])
def test_gradient_through_the_keys_of_the_burn_in(pseudo):
    step, teacher = random_step(), head()
    if not pseudo:
        half = len(step.labeled)
        stages = tuple(x[:half] for x in step.student.stages)
        step = make_step(Features(stages), step.labeled)
    plain, both = (head(samples_per_class=20, key_gradient=key) for key in (False, True))
    both.load_state_dict(plain.state_dict())
    losses = [each.loss_by_step(step, teacher)[0]['loss_contrast'] for each in (plain, both)]
    torch.testing.assert_close(*losses)
    found = torch.autograd.grad(losses[1], list(both.projector.parameters()))
    expected = torch.autograd.grad(losses[0], list(plain.projector.parameters()))
    if pseudo:
        for got, want in zip(found, expected):
            torch.testing.assert_close(got, want)  # keys are constants there
        return
    # Literally: each of the pixels is an anchor and a key.
    z = both.embed(step.student)
    z = F.normalize(z.movedim(1, -1).flatten(0, 2)[step.labeled.labels.flatten() != 255], dim=1)
    labels = step.labeled.labels[step.labeled.labels != 255]
    similar = (z @ z.T / both.temperature).exp()
    same = labels[:, None] == labels
    negative = (similar * ~same).sum(1, keepdim=True)
    positives = same & ~torch.eye(len(z), dtype=torch.bool)
    terms = -(similar / (similar + negative)).log()
    literal = ((terms * positives).sum(1) / positives.sum(1).clamp(min=1))[positives.any(1)].mean()
    literal = both.loss_weight * literal
    torch.testing.assert_close(losses[1], literal)
    for got, want in zip(found, torch.autograd.grad(literal, list(both.projector.parameters()))):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-7)
    assert not any(torch.allclose(a, b, rtol=1e-2) for a, b in zip(found[::2], expected[::2]))


def test_teacher_and_its_projector_get_no_gradient():
    student, teacher = head(labeled_keys='teacher'), head()
    student.loss_by_step(random_step(), teacher)[0]['loss_contrast'].backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert all(float(p.grad.abs().sum()) > 0 for p in student.projector.parameters())


@pytest.mark.parametrize(
    ('sources', 'kept'), [(('labeled',), [True, False]), (('unlabeled',), [False, True])]
)
def test_sources_leave_out_a_set(sources, kept):
    step = random_step()
    counts = [int((part.labels != 255).sum()) for part in (step.labeled, step.pseudo)]
    _, stats = head(samples_per_class=20, sources=sources).loss_by_step(step, head())
    assert int(stats['anchors']) == sum(n for n, keep in zip(counts, kept) if keep)
    _, both = head(samples_per_class=20).loss_by_step(step, head())
    assert int(both['anchors']) == sum(counts)
    assert torch.equal(step.targets.labels, torch.cat([step.labeled.labels, step.pseudo.labels]))


@pytest.mark.parametrize(('temperature', 'base'), [(0.15, 0.1), (0.3, 0.6)])
def test_base_temperature_is_a_factor(temperature, base):
    step, teacher = random_step(), head()
    plain = head(samples_per_class=20, temperature=temperature)
    scaled = head(samples_per_class=20, temperature=temperature, base_temperature=base)
    scaled.load_state_dict(plain.state_dict())
    losses = [h.loss_by_step(step, teacher)[0]['loss_contrast'].item() for h in (plain, scaled)]
    assert losses[1] / losses[0] == pytest.approx(temperature / base, rel=1e-5)


def test_temperature_and_ramp_and_weight():
    step, teacher = random_step(), head()
    student = head(samples_per_class=20, loss_weight=0.1, ramp={'start': 0, 'length': 250})
    values = []
    for iteration in (0, 125, 250, 5000):
        set_iter(iteration)
        losses, stats = student.loss_by_step(step, teacher)
        ramp = math.exp(-5 * (1 - min(iteration / 250, 1)) ** 2)
        assert stats['ramp'] == pytest.approx(ramp)
        assert float(losses['loss_contrast']) == pytest.approx(0.1 * ramp * float(stats['raw']))
        values.append(float(stats['raw']))
    assert values == pytest.approx([values[0]] * 4), 'the raw term has no ramp'
    other = head(samples_per_class=20, temperature=0.5)
    other.load_state_dict(student.state_dict())
    assert float(other.loss_by_step(step, teacher)[1]['raw']) != pytest.approx(values[0], rel=0.01)


def test_hard_pixels_are_where_the_student_errs():
    # Class 0 everywhere; the student errs in the first row only, whose feature is telling.
    labels = torch.zeros(1, 10, 10, dtype=torch.long)
    logits = torch.zeros(1, 3, 10, 10)
    logits[:, 0] = 1
    logits[:, 1, 0] = 2
    step = make_step(
        Features((torch.zeros(1, 1, 10, 10), torch.randn(1, CHANNELS, 10, 10))),
        PixelTargets.from_labels(labels),
        logits=logits,
    )

    def hard_share(**kwargs):
        index, filled = head(samples_per_class=8, **kwargs)._sample(step, (10, 10))
        assert filled[0, 0].all() and not filled[0, 1:].any()
        return float((index[0, 0] < 10).float().mean())

    assert hard_share() == 0.5
    assert hard_share(hard_ratio=1.0) == 1.0
    assert hard_share(hard_ratio=0.0) == 0.0
    draws = [hard_share(sampling='random') for _ in range(200)]
    # hypergeometric: 8 of 100, 10 of them in the first row
    assert sum(draws) / 200 == pytest.approx(0.1, abs=4 * 0.1 / math.sqrt(200))


def test_min_pixels_leaves_rare_classes_out():
    labels = torch.zeros(1, *SIZE, dtype=torch.long)
    labels[0, 0, :3] = 1
    step = make_step(
        Features((torch.zeros(1, 1, *SIZE), torch.randn(1, CHANNELS, *SIZE))),
        PixelTargets.from_labels(labels),
    )
    for min_pixels, anchors in ((3, 4 + 3), (4, 4)):
        _, stats = head(min_pixels=min_pixels).loss_by_step(step)
        assert int(stats['anchors']) == anchors


def test_rejected_pixels_take_no_part():
    step = random_step(0, 2)
    step.pseudo.weight[:] = 0
    step.pseudo.weight[0, 0] = (step.pseudo.labels[0, 0] != 255).float()
    _, stats = head(samples_per_class=20).loss_by_step(step, head())
    labels = step.pseudo.accepted_labels
    expected = sum(n for n in torch.bincount(labels[labels != 255]).tolist() if n > 1)
    assert int(stats['anchors']) == expected > 0


@pytest.mark.parametrize('loss_weight', [0.1, 1000.0])
def test_a_step_without_anchors_is_exactly_zero_with_a_gradient(loss_weight):
    student = head(loss_weight=loss_weight, base_temperature=0.01)
    step = random_step()
    step.labeled.weight[:] = 0
    step.pseudo.labels[:] = 255
    losses, stats = student.loss_by_step(step, head())
    assert float(losses['loss_contrast']) == 0
    assert [float(stats[k]) for k in ('anchors', 'positives', 'negatives')] == [0, 0, 0]
    # A loss scaler multiplies by this much.
    (losses['loss_contrast'] * 2.0**16).backward()
    for name, param in student.named_parameters():
        assert param.grad is not None, name
        assert (param.grad == 0).all(), name


def test_one_class_has_no_negatives_and_a_zero_loss():
    step = random_step(1, 0)
    step.labeled.labels[:], step.labeled.weight[:] = 1, 1
    step = replace(step, teacher=None)
    losses, stats = head().loss_by_step(step)
    assert float(losses['loss_contrast']) == 0
    assert [float(stats[k]) for k in ('anchors', 'positives', 'negatives')] == [4, 3, 0]


def test_it_has_neither_classifier_nor_loss_of_the_base_class():
    student = head(exclude_classes=(0,))
    assert not hasattr(student, 'conv_seg') and not hasattr(student, 'loss_decode')
    assert {name.split('.')[0] for name in student.state_dict()} == {'projector'}
    convs = [m for m in student.modules() if isinstance(m, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels) for c in convs] == [(CHANNELS, 5), (5, 5)]


def test_default_projector_starts_as_published():
    student = MODELS.build(
        {'type': 'PixelContrastHead', 'in_channels': 64, 'channels': 256, 'num_classes': 2}
    )
    student.init_weights()
    convs = [m for m in student.modules() if isinstance(m, nn.Conv2d)]
    assert [tuple(c.kernel_size) for c in convs] == [(1, 1), (1, 1)]
    for conv in convs:
        assert float(conv.weight.std()) == pytest.approx(0.01, rel=0.05)
        # torch's own biases, as published
        assert 0 < conv.bias.abs().max().item() <= conv.in_channels**-0.5


def test_any_module_serves_as_projector():
    @MODELS.register_module(force=True)
    class DoubleProjector(nn.Module):
        def __init__(self, in_channels, out_channels):
            super().__init__()
            self.conv = nn.Conv2d(in_channels, 2 * out_channels, 1)

        def forward(self, x):
            return self.conv(x)

    student = head(projector={'type': 'DoubleProjector'})
    assert student.embed(random_step().student).shape == (4, 10, *SIZE)
    assert torch.isfinite(student.loss_by_step(random_step(), student)[0]['loss_contrast'])


# ------------------------------------------------------------------ beside plain MMSeg


def test_trains_in_a_plain_encoder_decoder_on_labels_alone():
    cfg = plain_cfg(auxiliary_head=[contrast_cfg(num_classes=3, samples_per_class=100)])
    model = build(cfg)
    model.auxiliary_head[0].watch(model.decode_head.conv_seg)
    images, samples = prepared(model, random_batch(2, 0))
    losses = model.loss(images['sup'], samples['sup'])
    loss = total_loss(model, losses)
    loss.backward()
    assert {'decode.loss_ce', 'aux_0.loss_contrast', 'aux_0.anchors', 'aux_0.raw'} <= set(losses)
    value = float(losses['decode.loss_ce'] + losses['aux_0.loss_contrast'])
    assert float(loss) == pytest.approx(value), 'no statistic is added to the loss'
    for name, param in model.auxiliary_head.named_parameters():
        assert float(param.grad.abs().sum()) > 0, name

    features = model.extract_feat(images['sup'])
    step = make_step(
        Features(features),
        PixelTargets.from_samples(samples['sup']).resize((8, 8)),
        teacher=Features([stage[:0] for stage in features]),
    )
    contrast = model.auxiliary_head[0]
    expected = 0.1 * all_pixels_loss(step, contrast, contrast, 0.15)
    torch.testing.assert_close(losses['aux_0.loss_contrast'], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'labeled_keys': 'teacher'}, r"labeled_keys='teacher'\).*set labeled_keys='student'"),
        ({'sources': ('unlabeled',)}, r"sources=\('unlabeled',\)\).*set sources=\('labeled', 'unl"),
    ],
)
def test_options_of_the_teacher_and_of_unlabelled_images_are_refused_on_labels_alone(
    options, message
):
    model = build(plain_cfg(auxiliary_head=[contrast_cfg(num_classes=3, **options)]))
    images, samples = prepared(model, random_batch(2, 0))
    with pytest.raises(ValueError, match=message):
        model.loss(images['sup'], samples['sup'])


def test_without_the_logits_it_says_that_none_is_hard():
    model = build(plain_cfg(auxiliary_head=[contrast_cfg(num_classes=3)]))
    images, samples = prepared(model, random_batch(2, 0))
    with pytest.warns(UserWarning, match=r"sampling='segmentation_aware'\).*ShareLogitsHook"):
        model.loss(images['sup'], samples['sup'])


def test_decode_feature_needs_the_semi_supervised_segmentor():
    cfg = plain_cfg(auxiliary_head=[contrast_cfg(num_classes=3, in_index='decode')])
    model = build(cfg)
    model.auxiliary_head[0].watch(model.decode_head.conv_seg)
    images, samples = prepared(model, random_batch(2, 0))
    with pytest.raises(ValueError, match=r"in_index='decode'.*SemiSupervisedSegmentor"):
        model.loss(images['sup'], samples['sup'])


def test_decode_feature_is_the_input_of_the_classifier():
    contrast = contrast_cfg(in_index='decode', samples_per_class=100)
    model = build(semi_cfg(auxiliary_head=[contrast], selector=None, mixing=None, unsup_loss=None))
    separate_teacher(model)
    images, samples = prepared(model, random_batch(1, 1))
    seen = {}
    for name, branch in (('student', model), ('teacher', model.teacher)):
        branch.decode_head.conv_seg.register_forward_pre_hook(
            lambda _, args, name=name: seen.__setitem__(name, args[0])
        )
    losses = model.loss(images, samples)
    assert seen['student'].shape == (2, CHANNELS, 8, 8)

    labels = PixelTargets.from_samples(samples['sup']).resize((8, 8))
    with torch.no_grad():
        logits = model.teacher.decode_head(model.teacher.extract_feat(images['weak']))
        logits = F.interpolate(logits, (32, 32), mode='bilinear', align_corners=False)
    valid = PixelTargets.from_samples(samples['weak']).labels
    pseudo = PixelTargets.from_labels(logits.argmax(1).masked_fill(valid == 255, 255))
    step = make_step(
        Features((None, seen['student'])),
        labels,
        pseudo.resize((8, 8)),
        teacher=Features((None, seen['teacher'])),
    )
    heads = model.auxiliary_head[0], model.teacher.auxiliary_head[0]
    expected = 0.1 * all_pixels_loss(step, *heads, 0.15)
    torch.testing.assert_close(losses['contrast.loss_contrast'], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'temperature': 0}, 'temperature=0'),
        ({'hard_ratio': 1.5}, 'hard_ratio=1.5'),
        ({'sources': ()}, r'sources=\(\)'),
        ({'sources': ('labelled',)}, 'labelled'),
        ({'sampling': 'hard'}, "sampling='hard'"),
        ({'labeled_keys': 'both'}, "labeled_keys='both'"),
    ],
)
def test_arguments_out_of_range_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        head(**kwargs)


def test_the_loss_is_grouped_contrast_of_what_was_sampled():
    student, teacher, step = head(), head(), random_step()
    torch.manual_seed(4)
    losses, _ = student.loss_by_step(step, teacher)
    torch.manual_seed(4)
    index, filled = student._sample(step, SIZE)

    def grouped(x):
        x = F.normalize(x.flatten(2).movedim(1, 2), dim=-1)
        rows = [torch.stack([x[b][index[b, c]] for c in range(3)]) for b in range(4)]
        return torch.cat(rows, 1)

    anchors = grouped(student.embed(step.student))
    keys = grouped(
        torch.cat([student.embed(step.student)[:2], teacher.embed(step.teacher)]).detach()
    )
    mask = torch.cat(list(filled), 1)
    total, count, *_ = grouped_contrast(anchors, keys, mask, mask, 0.15)
    torch.testing.assert_close(losses['loss_contrast'], 0.1 * total / count)


def test_samples_of_mmseg_are_accepted_at_any_resolution():
    student = head()
    samples = [data_sample(random_label((17, 23))) for _ in range(2)]
    losses = student.loss(random_step(2, 0).student.stages, samples, {})
    assert float(losses['loss_contrast']) > 0
    assert all(value.is_floating_point() for value in losses.values()), 'MMEngine takes their mean'


@pytest.mark.parametrize(
    'options', [{'sources': ('unlabeled',)}, {'sources': ('labeled', 'unlabeled')}]
)
def test_keys_of_the_teacher_need_targets_in_their_place(options):
    """Else the student's embeddings would stand in for those of the teacher."""
    mixing = {
        'mixing': {'type': 'RingCutMix'},
        'unsup_loss': {'type': 'ConsistencyLoss', 'hard': True},
    }
    with pytest.raises(ValueError, match=r"RingCutMix moves.*or sources=\('labeled',\)"):
        build(semi_cfg(auxiliary_head=[contrast_cfg(**options)], **mixing))
    build(semi_cfg(auxiliary_head=[contrast_cfg(sources=('labeled',))], **mixing))
    # The other views may be mixed in any way: contrast heads see the first one.
    views = [{'branch': 'strong', 'mix': False}, {'branch': 'other'}]
    build(semi_cfg(auxiliary_head=[contrast_cfg(**options)], views=views, **mixing))
