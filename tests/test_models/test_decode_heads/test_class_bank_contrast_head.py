import copy

import pytest
import torch
import torch.nn.functional as F
from helpers import (
    CHANNELS,
    build,
    data_sample,
    head_cfg,
    make_step,
    plain_cfg,
    random_label,
    set_iter,
)
from mmseg.registry import MODELS
from sync_counter import SyncCounter

from mmseg_contrast.models.decode_heads import ClassBankContrastHead, MLPProjector
from mmseg_contrast.structures import Features, PixelTargets
from mmseg_contrast.structures.pixel_targets import nearest

C, D = 3, 5


def plain_bank(size):
    return {'type': 'ClassMemoryBank', 'size': size}


def bank_head(**kwargs):
    kwargs = {'num_classes': C, 'in_index': 1, 'bank': plain_bank(8), 'bank_start': 0, **kwargs}
    return ClassBankContrastHead(CHANNELS, D, **kwargs)


def features(number, size=(6, 7), logits=True, gain=8):
    stages = (torch.randn(number, CHANNELS, 8, 8), torch.randn(number, CHANNELS, *size))
    low = gain * torch.randn(number, C, *size) if logits else None
    return Features(stages, stages[1], low)


def targets(number, size=(12, 14), ignored=0.2):
    return PixelTargets.from_labels(
        torch.stack([random_label(size, C, ignored) for _ in range(number)])
    )


def semi_step(num_labeled=2, num_unlabeled=3, num_in_domain=None, align=lambda x: x):
    labeled = targets(num_labeled) if num_labeled else None
    return make_step(
        features(num_labeled + num_unlabeled),
        labeled,
        targets(num_unlabeled) if num_unlabeled else None,
        teacher_labeled=features(num_labeled) if num_labeled else None,
        align=align,
        num_in_domain=num_in_domain,
    )


def fill(head, number=5):
    rows = torch.randn(C, number, D)
    mask = torch.arange(number) < torch.tensor([[number], [2], [0]])
    head.bank.enqueue(rows, mask)


def teacher_of(head):
    teacher = copy.deepcopy(head)
    teacher.drop_student_state()
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return teacher.eval().requires_grad_(False)


def weights(module, rows, labels):
    """Equation 8 for rows of each class, with the class's own selector, by a loop."""
    scores = module.score_rows(rows, labels)
    out = torch.zeros_like(scores)
    for c in range(C):
        own = labels == c
        out = torch.where(own, scores * own.sum() / (scores * own).sum().clamp(min=1e-9), out)
    return out


@pytest.mark.parametrize('attention', [False, True])
@pytest.mark.parametrize('memory', [False, True])
def test_loss_equals_a_literal_step(attention, memory):
    head = bank_head(attention=attention, memory_attention=memory, loss_weight=0.3)
    fill(head)
    step = semi_step()
    reference = copy.deepcopy(head)
    losses, stats = head.loss_by_step(step, teacher_of(head))

    rows = reference.bank.rows[reference.bank.valid]
    row_labels = torch.arange(C).unsqueeze(1).expand(C, 8)[reference.bank.valid]
    unit = F.normalize(rows, dim=1)
    v = torch.ones(len(rows))
    if attention and memory:
        v = weights(reference.memory_selectors, unit, row_labels)
    prediction = reference.predictor(reference.projector(step.student.stages[1]))
    total = 0
    for part, name in ((slice(0, 2), 'labeled'), (slice(2, 5), 'unlabeled')):
        p = prediction[part].movedim(1, -1).flatten(0, 2)
        labels = nearest(step.targets.labels[part], (6, 7)).flatten()
        w = weights(reference.selectors, p.detach(), labels) if attention else torch.ones(len(p))
        term = 0
        for c in range(C):
            own, places = labels == c, row_labels == c
            if places.any():
                distance = 1 - F.normalize(p[own], dim=1) @ unit[places].T
                term = term + (w[own, None] * v[places] * distance).mean() / C
        assert float(stats[f'raw_{name}']) == pytest.approx(term.item(), rel=1e-5)
        total = total + term
    torch.testing.assert_close(losses['loss_contrast'], 0.3 * total, rtol=1e-5, atol=1e-6)
    losses['loss_contrast'].backward()
    (0.3 * total).backward()
    for (name, one), other in zip(head.named_parameters(), reference.parameters()):
        grad = torch.zeros_like(one) if other.grad is None else other.grad
        torch.testing.assert_close(one.grad, grad, rtol=1e-3, atol=1e-6, msg=name)


def test_attention_gives_no_gradient_to_what_it_looks_at():
    # With the selectors' weights as constants the prediction head has the same gradient.
    head = bank_head()
    fill(head)
    step = semi_step()
    head.loss_by_step(step, teacher_of(head))[0]['loss_contrast'].backward()
    other = copy.deepcopy(head)
    other.zero_grad()
    for module in (other.selectors, other.memory_selectors):
        module.requires_grad_(False)
    other.bank.load_state_dict(head.bank.state_dict())
    other.loss_by_step(step, teacher_of(head))[0]['loss_contrast'].backward()
    for one, two in zip(head.predictor.parameters(), other.predictor.parameters()):
        torch.testing.assert_close(one.grad, two.grad)
    assert head.selectors.weight.grad.any() and head.memory_selectors.weight.grad.any()


# ------------------------------------------------------------------ rows for the bank


def distance(rows, others):
    """Of each row to the nearest of the others."""
    return (rows.unsqueeze(1) - others).norm(dim=2).amin(1)


def literal_rows(head, teacher, step, number, rank='highest', confidence=0.95):
    """For each class the vectors that the bank should get, best first."""
    labels = nearest(step.labeled.labels, (6, 7)).flatten()
    z = teacher.projector(step.teacher_labeled.stages[1]).movedim(1, -1).flatten(0, 2)
    probs = step.teacher_labeled.logits.softmax(1).movedim(1, -1).flatten(0, 2)
    unit = F.normalize(z, dim=1)
    chosen = []
    for c in range(C):
        good = [
            i
            for i in range(len(labels))
            if labels[i] == c
            and (
                confidence is None
                or (int(probs[i].argmax()) == c and float(probs[i].max()) > confidence)
            )
        ]
        selector = teacher.memory_selectors
        scores = {i: float(selector.score_rows(unit[i : i + 1], labels[i : i + 1])) for i in good}
        good.sort(key=lambda i: scores[i], reverse=rank == 'highest')
        chosen.append(z[good[:number]])
    return chosen


@pytest.mark.parametrize('rank', ['highest', 'lowest'])
@pytest.mark.parametrize(('labeled_images', 'number'), [(100, 2), (3, 6)])
@pytest.mark.parametrize('confidence', [0.95, None])
def test_the_best_ranked_good_pixels_are_stored(rank, labeled_images, number, confidence):
    # bank of 8: one row a class and image of 100 images, round(8 / 3) = 3 of three
    head = bank_head(labeled_images=labeled_images, rank=rank, confidence=confidence)
    teacher, step = teacher_of(head), semi_step()
    assert head.rows_per_image() * 2 == number
    _, stats = head.loss_by_step(step, teacher)
    assert not head.bank.rows.any()
    head.bank.commit()
    expected = literal_rows(head, teacher, step, number, rank, confidence)
    for c, rows in enumerate(expected):
        assert int(head.bank.count[c]) == len(rows) > 0
        torch.testing.assert_close(head.bank.rows[c, : len(rows)], rows, rtol=1e-4, atol=1e-5)
    good = sum(map(len, literal_rows(head, teacher, step, 1000, rank, confidence)))
    known = int((nearest(step.labeled.labels, (6, 7)) != 255).sum())
    assert stats['good_rows'].item() == pytest.approx(good / known)


def test_images_of_another_domain_give_no_rows_but_are_pulled():
    head = bank_head(confidence=None)
    fill(head)
    step = semi_step(num_labeled=3, num_in_domain=1)
    teacher = teacher_of(head)
    _, stats = head.loss_by_step(step, teacher)
    assert int(stats['pixels_labeled']) == int((nearest(step.labeled.labels, (6, 7)) != 255).sum())
    alone = copy.deepcopy(head)
    alone.bank.commit()
    rows = teacher.projector(step.teacher_labeled.stages[1][:1]).movedim(1, -1).flatten(0, 2)
    for c in range(C):
        new = alone.bank.rows[c][alone.bank.written[c] == 2]
        assert len(new) > 0
        assert distance(new, rows).max() < 1e-4


def test_a_low_rank_of_the_published_code_uses_the_prediction_selector():
    head = bank_head(memory_attention=False, labeled_images=100, confidence=None, rank='lowest')
    assert head.memory_selectors is None
    teacher, step = teacher_of(head), semi_step(num_labeled=1)
    head.loss_by_step(step, teacher)
    head.bank.commit()
    labels = nearest(step.labeled.labels, (6, 7)).flatten()
    z = teacher.projector(step.teacher_labeled.stages[1]).movedim(1, -1).flatten(0, 2)
    scores = teacher.selectors.score_rows(z, labels).masked_fill(labels == 255, 9)
    for c in range(C):
        lowest = scores.masked_fill(labels != c, 9).argmin()
        torch.testing.assert_close(head.bank.rows[c, 0], z[lowest], rtol=1e-4, atol=1e-5)


def test_student_features_fill_the_bank_where_asked():
    head = bank_head(bank_features='student', confidence=None, attention=False)
    assert not head.needs_teacher_on_labeled
    step = semi_step()
    head.eval()
    head.loss_by_step(step, teacher_of(head))
    head.bank.commit()
    z = head.projector(step.student.stages[1])[:2].movedim(1, -1).flatten(0, 2)
    rows = head.bank.rows[head.bank.valid]
    assert len(rows) == 2 * C and distance(rows, z).max() < 1e-4


def test_bank_and_term_start_when_they_should():
    head = bank_head(bank_start=5, ramp={'start': 7}, confidence=None)
    teacher, step = teacher_of(head), semi_step()
    values = []
    for iteration in range(4, 9):
        set_iter(iteration)
        assert head.needs_teacher_on_labeled == (iteration >= 5)
        losses, _ = head.loss_by_step(step, teacher)
        values.append(losses['loss_contrast'].item())
        head.bank.commit()
        assert bool(head.bank.count.any()) == (iteration >= 5)
    assert values[:3] == [0, 0, 0] and min(values[3:]) > 0


def test_rows_factor_and_default_number():
    assert bank_head(bank=plain_bank(256), labeled_images=100).rows_per_image() == 3
    assert bank_head(bank=plain_bank(256), labeled_images=372).rows_per_image() == 1
    assert bank_head(bank=plain_bank(256), labeled_images=212, rows_factor=7).rows_per_image() == 7
    assert bank_head().rows_per_image() == 1


# ------------------------------------------------------------------ unusual steps


@pytest.mark.parametrize(
    ('num_labeled', 'num_unlabeled', 'ignored'), [(2, 0, 0.1), (0, 2, 0.1), (2, 2, 1.0), (1, 1, 0)]
)
@pytest.mark.parametrize('filled', [False, True])
def test_any_step_has_gradients_for_all_parameters(num_labeled, num_unlabeled, ignored, filled):
    head = bank_head()
    if filled:
        fill(head)
    step = semi_step(num_labeled, num_unlabeled)
    for part in (step.labeled, step.pseudo):
        if part is not None and ignored == 1:
            part.labels.fill_(255)
    losses, _ = head.loss_by_step(step, teacher_of(head))
    losses['loss_contrast'].backward()
    assert torch.isfinite(losses['loss_contrast'])
    assert (losses['loss_contrast'].item() == 0) == (not filled or ignored == 1)
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


def test_max_pixels_draws_that_many_positions():
    head = bank_head(max_pixels=20)
    step = semi_step()
    for part in (step.labeled, step.pseudo):
        part.labels.zero_(), part.weight.fill_(1)
    _, stats = head.loss_by_step(step, teacher_of(head))
    assert (int(stats['pixels_labeled']), int(stats['pixels_unlabeled'])) == (20, 18)


def test_autocast_is_left_alone_where_it_matters():
    head = bank_head()
    fill(head)
    step, teacher = semi_step(), teacher_of(head)
    exact = head.loss_by_step(step, teacher)[0]['loss_contrast']
    with torch.autocast('cpu', torch.bfloat16):
        loss = head.loss_by_step(step, teacher)[0]['loss_contrast']
    head.bank.commit()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), rel=0.05)
    loss.backward()


def test_nothing_waits():
    head = bank_head(max_pixels=40)
    step, teacher = semi_step(), teacher_of(head)
    with SyncCounter() as counter:
        head.loss_by_step(step, teacher)[0]['loss_contrast'].backward()
        head.bank.commit()
    assert dict(counter.counts) == {}


def test_a_plain_segmentor_contrasts_its_own_labels():
    contrast = {'type': 'ClassBankContrastHead', 'in_channels': CHANNELS, 'channels': D}
    contrast.update(num_classes=C, in_index=1, bank=plain_bank(16), bank_start=0)
    contrast.update(bank_features='student', confidence=None)
    model = build(plain_cfg(auxiliary_head=[head_cfg(in_index=0), contrast]))
    images = torch.randn(2, 3, 32, 32)
    samples = [data_sample(random_label((32, 32))) for _ in range(2)]
    first = model.loss(images, samples)
    head = model.auxiliary_head[1]
    assert first['aux_1.loss_contrast'].item() == 0
    head.bank.commit()
    assert head.bank.count.tolist() == [2, 2, 2]
    second = model.loss(images, samples)
    assert second['aux_1.loss_contrast'].item() > 0
    loss, _ = model.parse_losses(second)
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())
    assert all(isinstance(v, torch.Tensor) and v.is_floating_point() for v in second.values())


def plain(**options):
    contrast = {'type': 'ClassBankContrastHead', 'in_channels': CHANNELS, 'channels': D}
    contrast.update(num_classes=C, in_index=1, bank=plain_bank(16), bank_start=0, **options)
    return build(plain_cfg(auxiliary_head=[contrast]))


def test_the_quality_filter_of_a_plain_segmentor_is_that_of_the_logits_it_is_shown():
    model = plain(bank_features='student', confidence=0.4)
    contrast = model.auxiliary_head[0]
    model.decode_head.conv_seg.weight.data.mul_(50)  # else no class is sure
    contrast.watch(model.decode_head.conv_seg)
    images, samples = torch.randn(2, 3, 32, 32), [data_sample(random_label((32, 32)))] * 2
    share = model.loss(images, samples)['aux_0.good_rows']
    stages = model.extract_feat(images)
    labels = nearest(torch.cat([s.gt_sem_seg.data for s in samples]), stages[1].shape[2:])
    probs = F.interpolate(
        model.decode_head(stages), stages[1].shape[2:], mode='bilinear', align_corners=False
    ).softmax(1)
    confidence, predicted = probs.max(1)
    good = (predicted == labels) & (confidence > 0.4)
    assert 0 < int(good.sum()) < int((labels != 255).sum())
    torch.testing.assert_close(share, good.sum() / (labels != 255).sum())


def test_what_a_plain_segmentor_cannot_do_is_said():
    images, samples = torch.randn(2, 3, 32, 32), [data_sample(random_label((32, 32)))] * 2
    with pytest.raises(ValueError, match=r"bank_features='teacher'\).*bank_features='student'"):
        plain().loss(images, samples)
    with pytest.warns(UserWarning, match=r'confidence=0\.95\).*ShareLogitsHook'):
        plain(bank_features='student').loss(images, samples)


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'confidence': 1.5}, 'confidence=1.5'),
        ({'rank': 'best'}, "rank='best'"),
        ({'bank_features': 'both'}, "bank_features='both'"),
        ({'labeled_images': 0}, 'labeled_images=0'),
        ({'max_pixels': 0}, 'max_pixels=0'),
        ({'rows_factor': 0}, 'rows_factor=0'),
        ({'bank': plain_bank(0)}, 'size=0'),
    ],
)
def test_arguments_are_checked(kwargs, message):
    with pytest.raises(ValueError, match=message):
        bank_head(**kwargs)


def test_projector_is_linear_norm_relu_linear():
    projector = MODELS.build({'type': 'MLPProjector', 'in_channels': 4, 'out_channels': 6})
    assert isinstance(projector, MLPProjector)
    x = torch.randn(2, 4, 3, 3)
    first, norm, _, last = projector.layers
    flat = x.movedim(1, -1).flatten(0, 2)
    hidden = F.linear(flat, first.weight[:, :, 0, 0], first.bias)
    hidden = F.batch_norm(hidden, None, None, norm.weight, norm.bias, training=True).relu()
    expected = F.linear(hidden, last.weight[:, :, 0, 0], last.bias)
    torch.testing.assert_close(projector(x).movedim(1, -1).flatten(0, 2), expected)


def test_an_update_before_the_loss_is_one_after_it_and_the_loss_once_more():
    """As in the published code, this step's rows take part in its loss."""
    before = bank_head(bank_update='before', confidence=None, loss_weight=1.0)
    after = bank_head(confidence=None, loss_weight=1.0)
    after.load_state_dict(before.state_dict())
    teacher, step = teacher_of(before), semi_step()
    first, _ = after.loss_by_step(step, teacher)
    assert first['loss_contrast'] == 0, 'the bank is empty'
    after.bank.commit()
    expected, _ = copy.deepcopy(after).loss_by_step(step, teacher)
    losses, stats = before.loss_by_step(step, teacher)
    assert losses['loss_contrast'] > 0 and stats['good_rows'] > 0
    # Two passes have gone into the running statistics of the selectors, which train mode does not read.
    torch.testing.assert_close(losses['loss_contrast'], expected['loss_contrast'])
    losses['loss_contrast'].backward()
    assert int(before.bank.updates) == 1
    before.bank.commit()
    assert int(before.bank.updates) == 1, 'the hook finds nothing left to write'
    for name, value in after.bank.state_dict().items():
        torch.testing.assert_close(before.bank.state_dict()[name], value)


@pytest.mark.parametrize('pooled', [False, True])
def test_rows_may_follow_the_features_in_a_consistency_and_separation_module(pooled):
    """The bank gets unit rows, and pulls those it has to the mean of all good pixels (Eq. 8 of CSC)."""
    bank = {'type': 'ConsistencySeparationModule', 'size': 8, 'gate': None, 'pooled_mean': pooled}
    head = bank_head(
        bank=bank, bank_features='student', confidence=None, labeled_images=4, rank='random'
    )
    for _ in range(2):
        step = semi_step()
        before, count = head.bank.rows.clone(), head.bank.count.tolist()
        losses, _ = head.loss_by_step(step)
        head.bank.commit()
        z = F.normalize(head.projector(step.student.stages[1])[:2].detach(), dim=1).movedim(1, -1)
        labels = nearest(step.labeled.labels, (6, 7))
        for c in range(C):
            pixels = z[labels == c]
            means = torch.stack([x[y == c].mean(0) for x, y in zip(z, labels)])
            mean = pixels.mean(0) if pooled else F.normalize(means.sum(0), dim=0)
            share = count[c] / (count[c] + len(pixels))
            pulled = F.normalize(share * before[c, : count[c]] + (1 - share) * mean, dim=1)
            torch.testing.assert_close(head.bank.rows[c, : count[c]], pulled, rtol=1e-4, atol=1e-5)
            new = head.bank.rows[c, count[c] : int(head.bank.count[c])]
            assert len(new) == 4, 'two of each image'
            torch.testing.assert_close((new @ pixels.T).amax(1), torch.ones(4))
    assert float(losses['loss_contrast'].detach()) > 0
