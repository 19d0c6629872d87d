from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from helpers import (
    CHANNELS,
    build,
    head_cfg,
    make_step,
    plain_cfg,
    prepared,
    random_batch,
    random_label,
    semi_cfg,
    separate_teacher,
    set_iter,
    total_loss,
    without_gradient,
)
from mmseg.registry import MODELS
from sync_counter import SyncCounter

from mmseg_contrast.models.decode_heads import ConvNormProjector, csc_contrast_head
from mmseg_contrast.models.sampling.anchor_sampling import sample_anchors
from mmseg_contrast.structures import Features, PixelTargets
from mmseg_contrast.structures.pixel_targets import nearest

C, DIM, SIZE = 3, 5, (4, 5)
BANK = {'type': 'ConsistencySeparationModule', 'size': 12, 'gate': None, 'consistency': False}


def csc_cfg(**kwargs):
    return {
        'type': 'CSCContrastHead',
        'in_channels': CHANNELS,
        'channels': DIM,
        'in_index': 1,
        'projector': {'type': 'VisibleProjector'},
        'bank': dict(BANK),
        **kwargs,
    }


def head(**kwargs):
    return MODELS.build(csc_cfg(num_classes=C, **kwargs))


def random_step(num_labeled=2, num_unlabeled=2, size=SIZE):
    total = num_labeled + num_unlabeled
    stages = (None, torch.randn(total, CHANNELS, *size))

    def targets(count):
        labels = [random_label(size) for _ in range(count)]
        return PixelTargets.from_labels(torch.stack(labels)) if count else None

    return make_step(
        Features(stages),
        targets(num_labeled),
        targets(num_unlabeled),
        teacher=Features((None, torch.randn(num_unlabeled, CHANNELS, *size))),
        logits=torch.randn(total, C, *size),
    )


def literal_half(z, labels, rows, temperature, top_n, reduction='mean', anchors=None):
    """Eq. 6 by loops; with rows of no class and all positives it is Eq. 5."""
    used = [i for i in range(len(labels)) if labels[i] != 255]
    terms = []
    for i in used if anchors is None else anchors:
        positives = [z[j] for j in used if labels[j] == labels[i] and j != i]
        positives += list(rows[int(labels[i])])
        negatives = [z[j] for j in used if labels[j] != labels[i]]
        negatives += [row for c in range(C) if c != labels[i] for row in rows[c]]
        if not positives:
            continue
        s = sorted((z[i] @ p / temperature for p in positives), key=float, reverse=True)[:top_n]
        below = torch.stack([z[i] @ n / temperature for n in negatives]).logsumexp(0)
        pairs = torch.stack([torch.logaddexp(x, below) - x for x in s])
        terms.append(getattr(pairs, reduction)())
    return torch.stack(terms).mean()


def literal(student, step, temperature, top_n, rows=None, reduction='mean'):
    """The terms of the two halves over all pixels."""
    rows = [[]] * C if rows is None else rows
    z = F.normalize(student.projector(step.student.stages[1]), dim=1)
    labels = step.targets.accepted_labels
    number = 0 if step.labeled is None else len(step.labeled)
    halves = [part for part in (slice(0, number), slice(number, len(z))) if len(z[part])]
    return sum(
        literal_half(
            z[part].movedim(1, -1).flatten(0, 2),
            labels[part].flatten(),
            rows,
            temperature,
            top_n,
            reduction,
        )
        for part in halves
    )


def fill(student, numbers):
    student.bank.enqueue(
        F.normalize(torch.randn(C, max(numbers), DIM), dim=-1),
        torch.arange(max(numbers)) < torch.tensor(numbers).unsqueeze(1),
    )
    return [student.bank.rows[c, :n] for c, n in enumerate(numbers)]


@pytest.mark.filterwarnings('ignore:Converting a tensor')
@pytest.mark.parametrize('top_n', [1, 3, None])
@pytest.mark.parametrize('numbers', [(4, 6, 2), (5, 0, 3), (0, 0, 0)])
def test_with_all_pixels_it_is_equation_6_of_each_half(top_n, numbers):
    student = head(samples_per_class=40, top_n=top_n, temperature=0.2, loss_weight=0.5)
    rows = fill(student, numbers) if max(numbers) else None
    step = random_step()
    losses, stats = student.loss_by_step(step, head())
    expected = literal(student, step, 0.2, top_n, rows)
    torch.testing.assert_close(losses['loss_contrast'], 0.5 * expected, rtol=1e-5, atol=1e-6)
    assert int(stats['anchors']) == int((step.targets.labels != 255).sum())
    params = list(student.projector.parameters())
    for got, want in zip(
        torch.autograd.grad(losses['loss_contrast'], params),
        torch.autograd.grad(0.5 * expected, params),
    ):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings('ignore:Converting a tensor')
@pytest.mark.parametrize('top_n', [1, 3, None])
@pytest.mark.parametrize('numbers', [(4, 6, 2), (0, 0, 0)])
def test_sum_over_the_positives_is_equation_6_as_printed(top_n, numbers):
    """With all positives and without rows it is Eq. 5a."""
    student = head(samples_per_class=40, top_n=top_n, reduction='sum')
    rows = fill(student, numbers) if max(numbers) else None
    step = random_step()
    losses, _ = student.loss_by_step(step, head())
    expected = literal(student, step, 0.1, top_n, rows, 'sum')
    torch.testing.assert_close(losses['loss_contrast'], expected)


@pytest.mark.filterwarnings('ignore:Converting a tensor')
@pytest.mark.parametrize(('fallback', 'top_n'), [('paper', None), ('official', 1)])
def test_fallback_is_within_the_batch_until_no_class_is_empty(fallback, top_n):
    """Eq. 5 in the paper, Eq. 6 in the published code."""
    student = head(samples_per_class=40, fallback=fallback)
    step = random_step()
    rows = fill(student, (4, 0, 3))
    losses, _ = student.loss_by_step(step, None)
    torch.testing.assert_close(losses['loss_contrast'], literal(student, step, 0.1, top_n))
    more = torch.zeros(C, 1, dtype=torch.bool)
    more[1] = True
    student.bank.enqueue(F.normalize(torch.randn(C, 1, DIM), dim=-1), more)
    rows[1] = student.bank.rows[1, :1]
    losses, _ = student.loss_by_step(step, None)
    torch.testing.assert_close(losses['loss_contrast'], literal(student, step, 0.1, 1, rows))


@pytest.mark.filterwarnings('ignore:Converting a tensor')
@pytest.mark.parametrize('numbers', [(2, 0), (0, 2)])
def test_one_set_alone(numbers):
    student, step = head(samples_per_class=40, bank=None), random_step(*numbers)
    losses, _ = student.loss_by_step(step, head())
    torch.testing.assert_close(losses['loss_contrast'], literal(student, step, 0.1, 1))


def test_halves_are_hard_and_easy_and_classes_have_their_own_numbers():
    labels = torch.zeros(1, 10, 10, dtype=torch.long)
    labels[:, 5:] = 1
    logits = torch.zeros(1, C, 10, 10)
    logits[:, 2, ::2] = 1  # every second row is wrong
    logits.scatter_add_(1, labels.unsqueeze(1), torch.full((1, 1, 10, 10), 0.5))
    features = torch.randn(1, CHANNELS, 10, 10)
    step = make_step(Features((None, features)), PixelTargets.from_labels(labels), logits=logits)
    student = head(samples_per_class=[8, 4, 0], enqueue_per_class=8)
    _, stats = student.loss_by_step(step)
    assert int(stats['anchors']) == 8 + 4
    rows, mask, _, _, (sums, counts) = student.bank._staged
    counts, means = counts[0], sums[0] / counts[0].clamp(min=1)[:, None]
    assert counts.tolist() == [8, 4, 0] and mask.sum(1).tolist() == [8, 4, 0]
    z = F.normalize(student.projector(features), dim=1)[0].flatten(1).T
    place = (rows[mask] @ z.T).argmax(1)
    wrong = (place // 10 % 2 == 0)[:8]
    assert int(wrong.sum()) == 4
    torch.testing.assert_close(means[0], rows[0, :8].mean(0))
    assert not means[2].any()


def test_classes_have_their_own_least_number_of_pixels():
    labels = torch.full((2, 4, 5), 255)
    labels[0].view(-1)[:5] = 0
    labels[0].view(-1)[5:9] = 1
    labels[1].view(-1)[:4] = 0
    labels[1].view(-1)[5:9] = 2
    step = make_step(
        Features((None, torch.randn(2, CHANNELS, 4, 5))), PixelTargets.from_labels(labels)
    )
    student = head(samples_per_class=3, min_pixels=[5, 4, 5], enqueue_per_class=3)
    student.loss_by_step(step)
    assert student.bank._staged.features[1].sum(0).tolist() == [3, 3, 0], (
        'one image has enough of class 0'
    )


@pytest.mark.parametrize('enqueue', ['anchors', 'pixels'])
def test_what_is_offered_to_the_bank(enqueue):
    student = head(samples_per_class=6, enqueue_per_class=2, enqueue=enqueue)
    step = random_step()
    student.loss_by_step(step, head())
    rows, mask, _, _, (_, counts) = student.bank._staged
    labels = nearest(step.targets.accepted_labels, SIZE)
    number = torch.stack([(labels == c).flatten(1).sum(1) for c in range(C)])
    extra = (number > 0).long() if enqueue == 'pixels' else 0
    assert mask.sum(1).tolist() == (number.clamp(max=2) + extra).sum(1).tolist()
    assert counts.sum(0).tolist() == number.clamp(max=6).sum(1).tolist()
    torch.testing.assert_close(rows[mask].norm(dim=1), torch.ones(int(mask.sum())))
    z = F.normalize(student.projector(step.student.stages[1]), dim=1).detach()
    for c in range(C):
        own = z.movedim(1, -1)[labels == c]
        regions = [x.movedim(0, -1)[y == c].mean(0) for x, y in zip(z, labels) if (y == c).any()]
        if enqueue == 'pixels':
            own = torch.cat([own, F.normalize(torch.stack(regions), dim=1)])
        best = (rows[c][mask[c]] @ own.T).max(1)
        torch.testing.assert_close(best.values, torch.ones(len(best.values)))
        assert len(set(best.indices.tolist())) == len(best.indices), 'no row twice'


@pytest.mark.filterwarnings('ignore:Converting a tensor')
@pytest.mark.parametrize('numbers', [None, (4, 6, 2)])
def test_anchor_filter_of_the_published_code(numbers):
    student = head(samples_per_class=40, top_n=2, anchor_filter=(0.3, 0.9))
    rows = fill(student, numbers) if numbers else [[]] * C
    step = random_step()
    step.pseudo.weight[torch.rand(step.pseudo.weight.shape) < 0.5] = 0
    z = F.normalize(student.projector(step.student.stages[1]), dim=1).movedim(1, -1)
    halves = [
        (z[part].flatten(0, 2), labels.flatten())
        for part, labels in ((slice(2), step.labeled.labels), (slice(2, 4), step.pseudo.labels))
    ]
    # Of the unlabelled half all are keys, and only those closest to their positives are anchors.
    keys, labels = halves[1]
    used = [i for i in range(len(labels)) if labels[i] != 255]

    def score(i):
        positives = [keys[j] for j in used if labels[j] == labels[i] and j != i]
        return sum(float(keys[i] @ p) - 1 for p in [*positives, *rows[int(labels[i])]])

    anchors = sorted(used, key=score)[-(3 * len(used) // 10) :]
    expected = literal_half(*halves[0], rows, 0.1, 2)
    expected = expected + literal_half(*halves[1], rows, 0.1, 2, anchors=anchors)
    losses, stats = student.loss_by_step(step, head())
    torch.testing.assert_close(losses['loss_contrast'], expected, rtol=1e-5, atol=1e-6)
    labeled = int((halves[0][1] != 255).sum())
    assert int(stats['anchors']) == labeled + len(anchors)
    params = list(student.projector.parameters())
    for got, want in zip(
        torch.autograd.grad(losses['loss_contrast'], params), torch.autograd.grad(expected, params)
    ):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
    assert int(student.bank._staged.features[1].sum()) == labeled + len(used), (
        'the bank is offered all'
    )


def test_pooled_mean_of_the_published_code():
    bank = {**BANK, 'consistency': True, 'pooled_mean': True}
    student = head(samples_per_class=40, enqueue_per_class=1, bank=bank)
    student.loss_by_step(random_step(), head())
    student.bank.commit()
    before, count = student.bank.rows.clone(), student.bank.count.tolist()
    step = random_step()
    student.loss_by_step(step, head())
    student.bank.commit()
    z = F.normalize(student.projector(step.student.stages[1]), dim=1).detach().movedim(1, -1)
    labels = nearest(step.targets.accepted_labels, SIZE)
    for c in range(C):
        samples = z[labels == c]
        assert float(samples.mean(0).norm()) < 0.99, 'it is not normalised'
        alpha = count[c] / (count[c] + len(samples))
        expected = alpha * before[c, : count[c]] + (1 - alpha) * samples.mean(0)
        torch.testing.assert_close(
            student.bank.rows[c, : count[c]], F.normalize(expected, dim=1), rtol=1e-4, atol=1e-5
        )


def test_bank_of_the_teacher():
    student, teacher = (
        head(bank_features='teacher', samples_per_class=40, enqueue_per_class=40),
        head(),
    )
    step = random_step(0, 2)
    student.loss_by_step(step, teacher)
    rows, mask, *_ = student.bank._staged
    z = F.normalize(teacher.projector(step.teacher.stages[1]), dim=1).movedim(1, -1).flatten(0, 2)
    torch.testing.assert_close((rows[mask] @ z.T).amax(1), torch.ones(int(mask.sum())))
    assert student.needs_teacher_on_labeled and not head().needs_teacher_on_labeled


@pytest.mark.filterwarnings('ignore:Converting a tensor')
@pytest.mark.parametrize('top_n', [1, None])
def test_with_the_plain_bank_it_is_equation_6_with_a_queue_of_each_class(top_n):
    """All pixels of each step join the queues, the oldest leave, and nothing else moves a row."""
    bank = {'type': 'ClassMemoryBank', 'size': 25}
    student = head(samples_per_class=40, enqueue_per_class=40, top_n=top_n, bank=bank)
    steps: list[list] = [[] for _ in range(C)]
    for _ in range(3):
        step = random_step()
        rows = [student.bank.rows[c, :n] for c, n in enumerate(student.bank.count.tolist())]
        losses, stats = student.loss_by_step(step, head())
        expected = literal(student, step, 0.1, top_n, rows)
        torch.testing.assert_close(losses['loss_contrast'], expected, rtol=1e-5, atol=1e-6)
        assert 'accept_enqueue' not in stats, 'it has no gate'
        student.bank.commit()
        z = F.normalize(student.projector(step.student.stages[1]), dim=1).detach().movedim(1, -1)
        labels = nearest(step.targets.accepted_labels, SIZE)
        for c in range(C):
            steps[c].append(z[labels == c])
            # Of the newest step with more rows than places, which rows stay is drawn at random.
            left = 25
            for number, new in zip((3, 2, 1), reversed(steps[c])):
                kept = student.bank.rows[c][student.bank.valid[c]]
                kept = kept[
                    student.bank.written[c][student.bank.valid[c]] == len(steps[c]) - 3 + number
                ]
                assert len(kept) == min(left, len(new))
                left -= len(kept)
                best = (kept @ new.T).max(1)
                torch.testing.assert_close(best.values, torch.ones(len(kept)))
                assert len(set(best.indices.tolist())) == len(kept), 'no row twice'


def test_a_bank_must_be_one():
    with pytest.raises(
        ValueError, match=r'CSCContrastHead.bank.type is missing: .*ClassMemoryBank, Con'
    ):
        head(bank={'size': 12})
    with pytest.raises(
        ValueError, match=r"bank.type='ClassMix' is no MemoryBank: give one; .*ClassM"
    ):
        head(bank={'type': 'ClassMix'})


def test_update_interval():
    student = head(update_interval=3)
    staged = []
    for iteration in range(7):
        set_iter(iteration)
        student.loss_by_step(random_step(), head())
        staged.append(student.bank._staged is not None)
        student.bank.commit()
    assert staged == [True, False, False, True, False, False, True]


def test_both_halves_see_the_bank_of_the_step_before():
    student, step = head(samples_per_class=40), random_step()
    torch.manual_seed(1)
    first = student.loss_by_step(step, head())[0]['loss_contrast']
    assert not student.bank.count.any()
    student.bank.commit()
    assert student.bank.count.all()
    torch.manual_seed(1)
    second = student.loss_by_step(step, head())[0]['loss_contrast']
    assert float(first) != float(second)
    second.backward()  # what was committed in between changes nothing that backward needs


def test_between_halves_the_bank_takes_the_labelled_rows_first():
    bank = {'type': BANK['type'], 'size': 12, 'min_fill': 0.0, 'pooled_mean': True}
    student = head(samples_per_class=40, enqueue_per_class=40, between_halves=True, bank=bank)
    by_half = head(samples_per_class=40, enqueue_per_class=40, bank=bank)
    fill(student, (3, 4, 2))
    by_half.load_state_dict(student.state_dict())
    step = random_step()
    halves = [
        make_step(
            Features((None, step.student.stages[1][part])),
            step.labeled if known else None,
            None if known else step.pseudo,
            logits=step.logits[part],
        )
        for known, part in ((True, slice(0, 2)), (False, slice(2, 4)))
    ]
    expected = 0
    for half in halves:
        torch.manual_seed(1)
        expected = expected + by_half.loss_by_step(half, head())[0]['loss_contrast']
        by_half.bank.commit()
    loss = student.loss_by_step(step, head())[0]['loss_contrast']
    student.bank.commit()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(student.bank.sums, by_half.bank.sums)
    assert torch.equal(student.bank.count, by_half.bank.count)
    assert int(student.bank.updates) == int(by_half.bank.updates) == 3
    params = [list(each.projector.parameters()) for each in (student, by_half)]
    for got, want in zip(
        torch.autograd.grad(loss, params[0]), torch.autograd.grad(expected, params[1])
    ):
        torch.testing.assert_close(got, want)


def test_between_halves_needs_two_halves():
    for numbers in ((2, 0), (0, 2)):
        states = []
        for between in (False, True):
            torch.manual_seed(0)
            student = head(samples_per_class=40, between_halves=between)
            student.loss_by_step(random_step(*numbers), head())
            assert not student.bank.count.any()
            student.bank.commit()
            states.append(student.bank.rows)
        assert torch.equal(*states) and states[0].any()


@pytest.mark.parametrize('bank', [None, BANK])
def test_a_step_without_anchors_is_exactly_zero_with_a_gradient(bank):
    student, step = head(bank=bank), random_step()
    if bank:
        fill(student, (3, 3, 3))
    step.labeled.weight[:] = 0
    step.pseudo.labels[:] = 255
    losses, stats = student.loss_by_step(step, head())
    assert float(losses['loss_contrast']) == float(stats['anchors']) == 0
    losses['loss_contrast'].backward()
    assert all((p.grad == 0).all() for p in student.parameters())
    if bank:
        before = student.bank.rows.clone()
        student.bank.commit()
        assert torch.equal(student.bank.rows, before)


@pytest.mark.parametrize('case', ['one class', 'one pixel'])
def test_little_to_contrast_is_finite(case):
    student, step = head(), random_step(1, 0)
    step.labeled.labels[:], step.labeled.weight[:] = 1, 1
    if case == 'one pixel':
        step.labeled.weight[:] = 0
        step.labeled.weight[0, 2, 2] = 1
    losses, _ = student.loss_by_step(step)
    losses['loss_contrast'].backward()
    assert float(losses['loss_contrast']) == 0
    assert all((p.grad == 0).all() for p in student.parameters())


# ------------------------------------------------------------------ on any recipe


def test_labels_alone_in_a_plain_encoder_decoder():
    model = build(plain_cfg(auxiliary_head=[csc_cfg(num_classes=C)]))
    model.auxiliary_head[0].watch(model.decode_head.conv_seg)
    for _ in range(2):
        images, samples = prepared(model, random_batch(2, 0))
        losses = model.loss(images['sup'], samples['sup'])
        total_loss(model, losses).backward()
        model.auxiliary_head[0].bank.commit()
    assert {'aux_0.loss_contrast', 'aux_0.accept_enqueue', 'aux_0.cons_proxy'} <= set(losses)
    assert model.auxiliary_head[0].bank.count.all()
    assert not without_gradient(model)


def test_pixels_that_a_plain_encoder_decoder_gets_wrong_are_hard():
    """Half of the anchors of each class, as in the semi-supervised step."""
    model = build(plain_cfg(auxiliary_head=[csc_cfg(num_classes=C, samples_per_class=8)]))
    contrast = model.auxiliary_head[0]
    contrast.watch(model.decode_head.conv_seg)
    images, samples = prepared(model, random_batch(2, 0))
    drawn = {}

    def watched(labels, num_classes, number, hard, *args):
        index, filled = sample_anchors(labels, num_classes, number, hard, *args)
        drawn.update(labels=labels, hard=hard, index=index, filled=filled)
        return index, filled

    with mock.patch.object(csc_contrast_head, 'sample_anchors', watched):
        model.loss(images['sup'], samples['sup'])
    assert 'seen_logits' not in vars(contrast), 'it would stay in memory'
    # no dropout, and batch norm by the same batch: the same logits
    logits = model.decode_head(model.extract_feat(images['sup']))
    size = drawn['labels'].shape[1:]
    assert torch.equal(drawn['hard'], nearest(logits, size).argmax(1) != drawn['labels'])
    hard = drawn['hard'].flatten(1).unsqueeze(1).expand(-1, C, -1).gather(2, drawn['index'])
    of_class = drawn['labels'].flatten(1).unsqueeze(1) == torch.arange(C)[:, None]
    both = drawn['hard'].flatten(1).unsqueeze(1)
    enough = ((of_class & both).sum(2) >= 4) & ((of_class & ~both).sum(2) >= 4)
    assert enough.any()
    assert ((hard & drawn['filled']).sum(2)[enough] == 4).all()


def test_without_the_logits_it_says_that_none_is_hard():
    model = build(plain_cfg(auxiliary_head=[csc_cfg(num_classes=C)]))
    images, samples = prepared(model, random_batch(2, 0))
    with pytest.warns(UserWarning, match=r'hard_ratio=0\.5\).*no effect.*ShareLogitsHook'):
        model.loss(images['sup'], samples['sup'])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'bank_features': 'teacher'}, r"bank_features='teacher'\).*set bank_features='student'"),
        ({'between_halves': True}, r'between_halves=True\).*set between_halves=False'),
        ({'anchor_filter': (0.1, 0.9)}, r'anchor_filter=\(0\.1, 0\.9\)\).*set anchor_filter=None'),
    ],
)
def test_options_of_the_unlabelled_half_are_refused_on_labels_alone(options, message):
    model = build(plain_cfg(auxiliary_head=[csc_cfg(num_classes=C, **options)]))
    images, samples = prepared(model, random_batch(2, 0))
    with pytest.raises(ValueError, match=message):
        model.loss(images['sup'], samples['sup'])


RECIPES = {
    'C3-SemiSeg': {},
    'mean teacher': {'selector': None, 'mixing': None},
    'FixMatch': {
        'selector': {'type': 'ThresholdMask', 'threshold': 0.2},
        'mixing': {'type': 'CrossSetCutMix', 'pairs': 'unlabeled'},
        'unsup_loss': {'type': 'ConsistencyLoss', 'hard': True},
    },
    'its own': {
        'selector': {'type': 'AELMask', 'threshold': 0.1},
        'mixing': {'type': 'CrossSetCutMix', 'pairs': 'unlabeled'},
        'unsup_loss': {'type': 'ConsistencyLoss', 'hard': True},
    },
    'published code': {
        'selector': {'type': 'EntropyPercentileMask', 'keep_ratio': 0.8},
        'mixing': {'type': 'RingCutMix'},
        'unsup_loss': {'type': 'ConsistencyLoss', 'hard': True, 'norm': 'coverage'},
    },
}


@pytest.mark.parametrize(
    ('recipe', 'bank_features'),
    [
        *((recipe, 'student') for recipe in RECIPES),
        *((recipe, 'teacher') for recipe in RECIPES if recipe != 'published code'),
    ],
)
def test_a_step_on_each_recipe_has_no_host_sync(recipe, bank_features):
    bank = {'type': BANK['type'], 'size': 20, 'min_fill': 0.1}
    contrast = csc_cfg(in_index='decode', bank_features=bank_features, bank=bank)
    if recipe == 'published code':
        contrast.update(
            anchor_filter=(0.1, 0.9),
            between_halves=True,
            fallback='official',
            enqueue='pixels',
            samples_per_class=[64, 16, 16],
            min_pixels=[2, 3, 4],
        )
    sampler = {'type': 'BatchOHEMPixelSampler', 'min_kept': 100}
    other = head_cfg(in_index=0, sampler=sampler)
    model = build(semi_cfg(auxiliary_head=[other, contrast], **RECIPES[recipe]))
    separate_teacher(model)
    head_ = model.auxiliary_head[1]
    for _ in range(2):
        images, samples = prepared(model, random_batch())
        with SyncCounter() as counter:
            loss = total_loss(model, model.loss(images, samples))
            loss.backward()
            head_.bank.commit()
        assert dict(counter.counts) == {}
    assert not without_gradient(model)
    assert head_.bank.count.all()
    stats = model.running_stats.pop()
    assert stats['contrast.anchors'] > 0 and 0 <= stats['contrast.accept_enqueue'] <= 1
    assert not any('loss' in name for name in stats)


def test_a_bank_of_the_teacher_needs_targets_in_their_place():
    """Else the student's features would stand in for those of the teacher."""
    contrast = csc_cfg(bank_features='teacher')
    with pytest.raises(
        ValueError, match=r"bank_features='teacher'\).*CrossSetCutMix, or bank_features='student'"
    ):
        build(semi_cfg(auxiliary_head=[contrast], **RECIPES['published code']))


def test_a_bank_of_the_teacher_waits_for_the_end_of_the_burn_in():
    contrast = csc_cfg(bank_features='teacher')
    model = build(semi_cfg(auxiliary_head=[contrast], semi_train_cfg={'burn_in': 5}))
    images, samples = prepared(model, random_batch())
    assert model.loss(images, samples)['contrast.loss_contrast'] > 0


def test_it_runs_without_any_data():
    model = build(
        semi_cfg(auxiliary_head=[csc_cfg(fallback='paper', enqueue='pixels', between_halves=True)])
    )
    images, samples = prepared(model, random_batch())
    model.to('meta')
    images = {name: image.to('meta') for name, image in images.items()}
    for branch in samples.values():
        for sample in branch:
            sample.gt_sem_seg.data = sample.gt_sem_seg.data.to('meta')
    total_loss(model, model.loss(images, samples)).backward()
    model.auxiliary_head[0].bank.commit()


def test_the_teacher_has_no_bank():
    model = build(semi_cfg(auxiliary_head=[csc_cfg()]))
    names = [name for name in model.state_dict() if '.bank.' in name]
    assert names and not any(name.startswith('teacher.') for name in names)
    model.teacher_ema().update(0.5)


def test_bfloat16_autocast_keeps_the_bank_and_the_term_in_float32():
    model = build(semi_cfg(auxiliary_head=[csc_cfg(enqueue='pixels', bank_features='teacher')]))
    images, samples = prepared(model, random_batch())
    with torch.autocast('cpu', torch.bfloat16):
        losses = model.loss(images, samples)
    assert losses['contrast.loss_contrast'].dtype == torch.float32
    total_loss(model, losses).backward()
    bank = model.auxiliary_head[0].bank
    bank.commit()
    assert bank.rows.dtype == torch.float32
    length = bank.rows[bank.valid].norm(dim=1)
    torch.testing.assert_close(length, torch.ones_like(length))


def test_projection_of_the_input_of_any_part_of_the_decode_head():
    cfg = semi_cfg(auxiliary_head=[csc_cfg(in_index='decode.convs')])
    model = build(cfg)
    images, samples = prepared(model, random_batch())
    seen = []
    model.decode_head.convs.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    projected = []
    model.auxiliary_head[0].projector.register_forward_pre_hook(
        lambda _, args: projected.append(args[0])
    )
    model.loss(images, samples)
    assert torch.equal(projected[0], seen[0])
    assert model.decode_features == ['decode.convs']
    with pytest.raises(ValueError, match=r"in_index='decode.nothing'.*FCNHead"):
        build(semi_cfg(auxiliary_head=[csc_cfg(in_index='decode.nothing')]))
    with pytest.raises(ValueError, match="in_index='neck'"):
        head(in_index='neck')


def test_twin_heads_of_the_paper():
    """512 channels into two 3x3 convolutions with 256, and 1x1, for classes and for embeddings."""
    decode_head = {
        'type': 'DeepLabV3PlusHead',
        'in_channels': 12,
        'in_index': 1,
        'channels': 256,
        'c1_in_channels': 7,
        'dilations': (1, 2),
        'num_classes': C,
        'norm_cfg': {'type': 'BN'},
    }
    module = MODELS.build(decode_head).eval()
    seen = []
    module.classifier.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    logits = module([torch.randn(2, 7, 16, 16), torch.randn(2, 12, 4, 4)])
    assert logits.shape == (2, C, 16, 16)
    assert seen[0].shape == (2, 512, 16, 16)
    projector = ConvNormProjector(512, 256)
    assert projector(seen[0]).shape == (2, 256, 16, 16)

    def shapes(*modules):
        weights = [p for m in modules for p in m.parameters() if p.ndim == 4]
        return [tuple(w.shape) for w in weights]

    blocks = [(256, 512, 3, 3), (256, 256, 3, 3)]
    assert shapes(module.classifier, module.conv_seg) == [*blocks, (C, 256, 1, 1)]
    assert shapes(projector) == [*blocks, (256, 256, 1, 1)]


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'temperature': 0}, 'temperature=0'),
        ({'top_n': 0}, 'top_n=0'),
        ({'hard_ratio': 2}, 'hard_ratio=2'),
        ({'samples_per_class': [4, 4]}, r'samples_per_class=\[4, 4\]'),
        ({'enqueue_per_class': 0}, 'enqueue_per_class=0'),
        ({'update_interval': 0}, 'update_interval=0'),
        ({'fallback': 'none'}, "fallback='none'"),
        ({'reduction': 'max'}, "reduction='max'"),
        ({'min_pixels': 0}, 'min_pixels=0'),
        ({'min_pixels': [1, 2]}, r'min_pixels=\[1, 2\].*each of the 3 classes'),
        ({'bank_features': 'both'}, "bank_features='both'"),
        ({'enqueue': 'all'}, "enqueue='all'"),
        ({'anchor_filter': (0.1, 1.1)}, r'anchor_filter=\(0.1, 1.1\)'),
    ],
)
def test_arguments_out_of_range_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        head(**kwargs)
