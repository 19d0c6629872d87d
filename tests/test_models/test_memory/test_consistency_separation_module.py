import math
from collections import deque

import pytest
import torch
import torch.nn.functional as F
from sync_counter import SyncCounter

from mmseg_contrast.models.memory import ConsistencySeparationModule, Offer

CLASSES, SIZE, DIM = 3, 6, 8
V = CLASSES * (CLASSES - 1)


def module(**kwargs):
    options = {'gate': None, 'consistency': False, **kwargs}
    return ConsistencySeparationModule(CLASSES, SIZE, DIM, **options)


def unit(*shape, generator=None):
    return F.normalize(torch.randn(*shape, DIM, generator=generator), dim=-1)


def samples(seed, number=4, images=2, share=0.7):
    """Features of the classes of some images, (B, C, K, D), and which there are."""
    generator = torch.Generator().manual_seed(seed)
    features = unit(images, CLASSES, number, generator=generator)
    return features, torch.rand(images, CLASSES, number, generator=generator) < share


def stage(bank, features, filled):
    """What the head does: rows, and the sums of each class in each image."""
    count = filled.sum(2)
    sums = (features * filled.unsqueeze(3)).sum(2)
    rows, mask = (x.transpose(0, 1).flatten(1, 2) for x in (features, filled))
    bank.stage(Offer(rows, mask, features=(sums, count)))
    return rows, mask


def step(bank, seed, **kwargs):
    stage(bank, *samples(seed, **kwargs))
    bank.commit()


def literal_separ(queues):
    """Eq. 9a: all pairs of classes."""
    means = [F.normalize(torch.stack(list(q)).mean(0), dim=0) if q else None for q in queues]
    return V + sum(float(a @ b) for a in means for b in means if a is not None and b is not None)


class Literal:
    """Eq. 8, Eq. 9 and Algorithm 1 with a copy of the bank for each candidate."""

    def __init__(self, consistency, gate, gate_range, min_fill, bound):
        self.queues = [deque(maxlen=SIZE) for _ in range(CLASSES)]
        self.consistency, self.gate, self.range = consistency, gate, gate_range
        self.min_fill, self.bound = min_fill, bound
        self.best, self.rejects = math.inf, [0, 0]
        self.log = []

    def propose(self, kind, candidate):
        seen = [q for q in self.queues if q]
        working = len(seen) > 1 and all(len(q) >= self.min_fill * SIZE for q in seen)
        if self.gate == 'official':
            working = working and len(seen) == CLASSES
        if any(new and not old for new, old in zip(candidate, self.queues)):
            working = False
        value, now = literal_separ(candidate), literal_separ(self.queues)
        strict = self.gate == 'strict' or (self.gate == 'official' and kind == 0)
        accept = value < now if strict else value <= self.best + self.range
        accept = accept or not working or self.gate is None
        best = min(self.best, value) if accept else self.best
        if not accept and self.bound is not None and self.rejects[kind] >= self.bound:
            accept, best = True, value
        self.rejects[kind] = 0 if accept else self.rejects[kind] + 1
        if accept:
            self.queues = candidate
        self.best = best if working else math.inf
        self.log.append(accept)

    def update(self, features, filled):
        if self.consistency:
            candidate = []
            for c, queue in enumerate(self.queues):
                images = [f[c][m[c]] for f, m in zip(features, filled) if m[c].any()]
                if not queue or not images:
                    candidate.append(deque(queue, maxlen=SIZE))
                    continue
                mean = F.normalize(torch.stack([x.mean(0) for x in images]).mean(0), dim=0)
                alpha = len(queue) / (len(queue) + sum(map(len, images)))
                rows = [F.normalize(alpha * u + (1 - alpha) * mean, dim=0) for u in queue]
                candidate.append(deque(rows, maxlen=SIZE))
            self.propose(0, candidate)
        candidate = [deque(q, maxlen=SIZE) for q in self.queues]
        for f, m in zip(features, filled):
            for c in range(CLASSES):
                candidate[c].extend(f[c][m[c]])
        self.propose(1, candidate)


def assert_same_bank(bank, literal):
    for c, queue in enumerate(literal.queues):
        count, pointer = int(bank.count[c]), int(bank.pointer[c])
        assert count == len(queue)
        places = [(pointer - count + i) % SIZE for i in range(count)]
        if queue:
            torch.testing.assert_close(bank.rows[c, places], torch.stack(list(queue)))
        total = torch.stack(list(queue)).sum(0) if queue else torch.zeros(DIM)
        torch.testing.assert_close(bank.sums[c], total, rtol=1e-5, atol=1e-5)
    assert not bank.rows[~bank.valid].any()
    torch.testing.assert_close(bank.separ(), torch.tensor(literal_separ(literal.queues)))
    assert float(bank.separ_best) == pytest.approx(literal.best, rel=1e-5)
    assert bank.rejects.tolist() == literal.rejects


@pytest.mark.parametrize('consistency', [False, True])
@pytest.mark.parametrize(
    ('gate', 'gate_range', 'min_fill', 'bound'),
    [
        (None, 1.0, 1.0, None),
        ('best', 0.05, 1.0, None),
        ('best', 0.0, 0.5, 3),
        ('strict', 1.0, 1.0, None),
        ('strict', 1.0, 0.0, 4),
        ('official', 0.2, 1.0, None),
        ('official', 0.2, 0.0, None),
    ],
)
def test_equals_algorithm_1_with_copies(consistency, gate, gate_range, min_fill, bound):
    bank = module(
        consistency=consistency,
        gate=gate,
        gate_range=gate_range,
        min_fill=min_fill,
        max_consecutive_rejects=bound,
    )
    literal = Literal(consistency, gate, gate_range, min_fill, bound)
    for seed in range(25):
        # In some steps a class is absent, at first one of them always.
        features, filled = samples(seed, share=0.5 if seed % 3 else 0.2)
        if seed < 4:
            filled[:, 2] = False
        stage(bank, features, filled)
        bank.commit()
        literal.update(features, filled)
        assert_same_bank(bank, literal)
        assert float(bank.accepted[1]) == literal.log[-1]
    if gate is None:
        assert all(literal.log)
    else:
        assert not all(literal.log), 'a gate that refuses nothing shows nothing'


def test_separ_in_closed_form():
    bank = module()
    e = torch.eye(DIM)
    bank.enqueue(e[:CLASSES].unsqueeze(1), torch.ones(CLASSES, 1, dtype=torch.bool))
    assert float(bank.separ()) == CLASSES + V
    assert float(bank.statistics()['inter_cos']) == 0
    same = module()
    same.enqueue(e[:1].expand(CLASSES, DIM).unsqueeze(1), torch.ones(CLASSES, 1, dtype=torch.bool))
    assert float(same.separ()) == CLASSES**2 + V, 'the upper bound'
    assert float(same.statistics()['inter_cos']) == pytest.approx(1)
    # three unit vectors that sum to 0
    flat = torch.zeros(3, 1, DIM)
    for c in range(3):
        flat[c, 0, 0], flat[c, 0, 1] = (
            math.cos(2 * math.pi * c / 3),
            math.sin(2 * math.pi * c / 3),
        )
    bank = module()
    bank.enqueue(flat, torch.ones(3, 1, dtype=torch.bool))
    assert float(bank.separ()) == pytest.approx(V, abs=1e-5), 'the lower bound'
    assert float(bank.statistics()['inter_cos']) == pytest.approx(-0.5)


def test_mean_cosine_is_that_of_all_pairs_of_seen_classes():
    bank = module()
    rows, mask = unit(CLASSES, 4), torch.ones(CLASSES, 4, dtype=torch.bool)
    mask[1] = False
    bank.enqueue(rows, mask)
    means = F.normalize(rows.mean(1), dim=1)
    expected = float(means[0] @ means[2])
    assert float(bank.statistics()['inter_cos']) == pytest.approx(expected, rel=1e-4)


def test_consistency_alone_by_hand():
    bank = module(consistency=True)
    e = torch.eye(DIM)
    rows = torch.stack([e[:2], e[2:4], e[4:6]])
    bank.enqueue(rows, torch.ones(CLASSES, 2, dtype=torch.bool))
    # Class 0: two rows and two samples, so alpha = 1/2; class 1 is absent.
    means = torch.stack([e[7], torch.zeros(DIM), e[4]])
    bank.pull(means, torch.tensor([2.0, 0.0, 6.0]))
    torch.testing.assert_close(bank.rows[0, 0], F.normalize(e[0] + e[7], dim=0))
    assert torch.equal(bank.rows[1, :2], rows[1])
    # Class 2: alpha = 1/4
    torch.testing.assert_close(bank.rows[2, 0], e[4])
    torch.testing.assert_close(bank.rows[2, 1], F.normalize(0.25 * e[5] + 0.75 * e[4], dim=0))


def test_a_mean_of_means_is_no_mean_of_all():
    """Eq. 8a: an image with many pixels of a class does not outweigh one with few."""
    features, filled = samples(0, number=6, share=1.0)
    filled[1, :, 1:] = False
    bank = module(consistency=True)
    step(bank, 1, share=1.0)
    before = bank.rows.clone()
    rows, mask = stage(bank, features, filled)
    sums, counts = bank._staged.features
    image_means = (sums / counts.unsqueeze(2)).sum(0)
    bank.commit()
    expected = features[0].mean(1) + features[1, :, 0]
    torch.testing.assert_close(image_means, expected)
    pooled = F.normalize((rows * mask.unsqueeze(2)).sum(1), dim=1)
    assert not torch.allclose(F.normalize(expected, dim=1), pooled, atol=0.05)
    assert not torch.equal(before, bank.rows)


@pytest.mark.parametrize('gate', ['best', 'strict'])
def test_a_refused_update_changes_nothing_but_the_counters(gate):
    bank = module(gate=gate, gate_range=0.0, consistency=True)
    # Classes on opposite sides: nothing separates them better.
    best = torch.zeros(CLASSES, SIZE, DIM)
    for c in range(CLASSES):
        best[c, :, 0], best[c, :, 1] = math.cos(2 * math.pi * c / 3), math.sin(2 * math.pi * c / 3)
    bank.enqueue(best, torch.ones(CLASSES, SIZE, dtype=torch.bool))
    bank.separ_best.copy_(bank.separ())
    before = {k: v.clone() for k, v in bank.state_dict().items()}
    one_place = torch.eye(DIM)[0].expand(CLASSES, 4, DIM)
    full = torch.ones(CLASSES, 4, dtype=torch.bool)
    features = 4 * one_place[None, :, 0], torch.full((1, CLASSES), 4)
    bank.stage(Offer(one_place, full, features=features))
    bank.commit()
    changed = {k for k, v in bank.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {'rejects', 'proposed', 'accepted', 'running_means', 'updates'}
    assert bank.rejects.tolist() == [1, 1] and bank.accepted.tolist() == [0, 0]


@pytest.mark.parametrize('gate', ['best', 'strict'])
def test_a_step_without_a_candidate_is_neither_accepted_nor_refused(gate):
    bank = module(gate=gate, gate_range=0.0, min_fill=0.0, consistency=True)
    events = bank.events()
    assert events['accept_enqueue'].whole == events['accept_consistency'].whole == 0
    features, _ = samples(0)
    everything = torch.ones(features.shape[:3], dtype=torch.bool)
    stage(bank, features, everything)
    bank.commit()
    events = bank.events()
    # The bank was empty: there were rows to enqueue, and none that could follow the features.
    assert tuple(events['accept_enqueue']) == (1, 1)
    assert tuple(events['accept_consistency']) == (0, 0)
    step(bank, 1)
    before = {name: value.clone() for name, value in bank.state_dict().items()}
    stage(bank, features, ~everything)
    bank.commit()
    assert [tuple(bank.events()[f'accept_{kind}']) for kind in ('consistency', 'enqueue')] == [
        (0, 0),
        (0, 0),
    ]
    for name in ('rows', 'count', 'pointer', 'separ_best', 'rejects'):
        assert torch.equal(bank.state_dict()[name], before[name]), name


def test_ungated_consistency_collapses_the_bank():
    """The first known danger: each class becomes one point, and the spread says so."""
    spreads = []
    for consistency in (False, True):
        bank = module(consistency=consistency)
        for seed in range(40):
            # As in the paper, more pixels are sampled than rows are written.
            rows, mask = stage(bank, *samples(seed, share=1.0))
            bank.stage(Offer(rows[:, :1], mask[:, :1], features=bank._staged.features))
            bank.commit()
        spreads.append(float(bank.statistics()['intra_spread']))
    assert spreads[1] < 0.5 * spreads[0]
    exact = [1 - float(row[:n].mean(0).norm()) for row, n in zip(bank.rows, bank.count)]
    assert spreads[1] == pytest.approx(sum(exact) / CLASSES, abs=1e-4)


def test_a_strict_gate_freezes_the_bank_where_features_drift():
    """The second known danger; and what bounds it."""

    def run(**kwargs):
        bank = module(**kwargs)
        accepted = 0.0
        for seed in range(200):
            generator = torch.Generator().manual_seed(seed)
            drift = torch.eye(DIM)[3] * seed / 40
            rows = F.normalize(
                torch.eye(DIM)[:CLASSES].unsqueeze(1)
                + drift
                + 0.2 * torch.randn(CLASSES, 2, DIM, generator=generator),
                dim=-1,
            )
            bank.enqueue(rows, torch.ones(CLASSES, 2, dtype=torch.bool))
            accepted += float(bank.accepted[1])
        return accepted / 200

    assert run(gate='strict', min_fill=0.0) < 0.05
    assert run(gate='strict', min_fill=0.0, max_consecutive_rejects=4) > 0.19
    assert run(gate=None) == 1


@pytest.mark.parametrize('gate', ['best', 'strict'])
def test_a_new_class_opens_the_gate_until_it_is_full(gate):
    bank = module(gate=gate, gate_range=0.0)
    two = torch.ones(CLASSES, SIZE, dtype=torch.bool)
    two[2] = False
    # The two classes are as far from each other as can be, so anything of a third raises Separ.
    apart = torch.eye(DIM)[0].expand(CLASSES, SIZE, DIM).clone()
    apart[1] *= -1
    bank.enqueue(apart, two)
    bank.enqueue(apart, two)
    if gate == 'best':
        assert float(bank.separ_best) == pytest.approx(V, abs=1e-5)
    newcomer = torch.zeros(CLASSES, SIZE, dtype=torch.bool)
    newcomer[2, 0] = True
    for rows in range(1, SIZE + 1):
        bank.enqueue(torch.eye(DIM)[1].expand(CLASSES, SIZE, DIM), newcomer)
        assert bank.count.tolist() == [SIZE, SIZE, rows], 'open, whatever it does to Separ'
        assert math.isinf(float(bank.separ_best))
    bank.enqueue(torch.eye(DIM)[1].expand(CLASSES, SIZE, DIM), newcomer)
    # It works again: nothing changes, which is the best so far but no better than before.
    assert float(bank.accepted[1]) == float(gate == 'best')


@pytest.mark.parametrize(('gate', 'works'), [('official', False), ('best', True)])
def test_the_published_gate_waits_for_the_last_class(gate, works):
    bank = module(gate=gate, gate_range=0.0, min_fill=0.0)
    two = torch.ones(CLASSES, SIZE, dtype=torch.bool)
    two[2] = False
    for _ in range(3):
        bank.enqueue(unit(CLASSES, SIZE), two)
    assert math.isfinite(float(bank.separ_best)) == works


def test_running_sums_stay_exact_over_many_updates():
    bank = module(consistency=True)
    for seed in range(300):
        step(bank, seed)
    torch.testing.assert_close(bank.sums, bank.rows.sum(1), rtol=1e-4, atol=1e-4)
    length = bank.rows.norm(dim=2)
    torch.testing.assert_close(length, torch.ones_like(length), rtol=1e-5, atol=1e-5)


def test_drift_is_the_cosine_with_the_running_means():
    bank = module(drift_momentum=0.25)
    first, filled = samples(0, share=1.0)
    stage(bank, first, filled)
    bank.commit()
    assert float(bank.drift) == 1, 'nothing to compare with yet'
    second, _ = samples(1)
    stage(bank, second, filled)
    bank.commit()
    means = [F.normalize(x.mean(2).sum(0), dim=1) for x in (first, second)]
    expected = F.cosine_similarity(means[0], means[1], dim=1).mean()
    assert float(bank.events()['cons_proxy']) == pytest.approx(float(expected), rel=1e-4)
    torch.testing.assert_close(bank.running_means, 0.75 * means[0] + 0.25 * means[1])


def test_all_state_is_in_the_checkpoint():
    straight = module(gate='best', gate_range=0.1, consistency=True)
    broken = module(gate='best', gate_range=0.1, consistency=True)
    for seed in range(12):
        for bank in (straight, broken):
            step(bank, seed)
        fresh = module(gate='best', gate_range=0.1, consistency=True)
        fresh.load_state_dict(broken.state_dict())
        broken = fresh
    for name, value in straight.state_dict().items():
        assert torch.equal(value, broken.state_dict()[name]), name


def test_no_host_sync_and_no_copy_of_the_bank():
    bank = ConsistencySeparationModule(4, 500, 16, gate='best', max_consecutive_rejects=3)
    features = F.normalize(torch.randn(2, 4, 5, 16), dim=-1)
    filled = torch.rand(2, 4, 5) < 0.8
    pointers = [b.data_ptr() for b in bank.buffers()]
    with SyncCounter() as counter:
        stage(bank, features, filled)
        bank.commit()
        bank.events()
    assert dict(counter.counts) == {}
    assert [b.data_ptr() for b in bank.buffers()] == pointers

    sizes = []

    class Largest(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor) and out.data_ptr() not in pointers:
                sizes.append(out.untyped_storage().nbytes())
            return out

    with Largest():
        stage(bank, features, filled)
        bank.commit()
    assert max(sizes) < bank.rows.nbytes / 2


def test_runs_without_any_data():
    bank = module(gate='best', consistency=True).to('meta')
    features, filled = (x.to('meta') for x in samples(0))
    stage(bank, features, filled)
    bank.commit()
    assert bank.statistics()['separ'].device.type == 'meta'


def test_bfloat16_features_are_stored_in_float32():
    bank = module(consistency=True)
    features, filled = samples(0)
    with torch.autocast('cpu', torch.bfloat16):
        stage(bank, features.bfloat16(), filled)
        bank.commit()
        stage(bank, features.bfloat16(), filled)
        bank.commit()
    assert bank.rows.dtype == bank.sums.dtype == torch.float32
    assert torch.isfinite(bank.rows).all()


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'gate': 'loose'}, "gate='loose'"),
        ({'gate_range': -1}, 'gate_range=-1'),
        ({'min_fill': 1.5}, 'min_fill=1.5'),
        ({'max_consecutive_rejects': -1}, 'max_consecutive_rejects=-1'),
        ({'drift_momentum': 0}, 'drift_momentum=0'),
        ({'size': 0}, 'size=0'),
    ],
)
def test_arguments_out_of_range_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        ConsistencySeparationModule(**{'num_classes': 3, **kwargs})
