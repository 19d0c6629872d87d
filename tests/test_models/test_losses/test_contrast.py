import math
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from mmseg_contrast.models.losses import grouped_contrast
from mmseg_contrast.models.losses.contrast import _tile_rows
from mmseg_contrast.tooling.measure import peak_bytes

pytestmark = pytest.mark.usefixtures('device')


def literal(
    anchors,
    keys,
    anchor_mask,
    key_mask,
    temperature,
    own_offset=0,
    bank=None,
    bank_mask=None,
    top_n=None,
    reduction='mean',
):
    """The equation as it is printed: a loop over anchors and one over their positives."""
    classes, num_anchors, num_keys = len(anchors), anchors.shape[1], keys.shape[1]
    if bank is not None:
        keys, key_mask = torch.cat([keys, bank], 1), torch.cat([key_mask, bank_mask], 1)
    rows = [[keys[c, q] for q in range(keys.shape[1]) if key_mask[c, q]] for c in range(classes)]
    total = anchors.new_zeros(())
    counted = positives_seen = negatives_seen = 0
    for c in range(classes):
        for p in range(num_anchors):
            if not anchor_mask[c, p]:
                continue
            similar = [
                keys[c, q]
                for q in range(keys.shape[1])
                if key_mask[c, q] and (own_offset is None or q >= num_keys or q != own_offset + p)
            ]
            if not similar:
                continue
            other = [key for d in range(classes) if d != c for key in rows[d]]
            anchor = anchors[c, p]
            logits = torch.stack([anchor @ key for key in other]) / temperature if other else None
            chosen = sorted(similar, key=lambda key: -float((anchor @ key).detach()))[:top_n]
            for key in chosen:
                s = anchor @ key / temperature
                denominator = s[None] if logits is None else torch.cat([s[None], logits])
                divisor = len(chosen) if reduction == 'mean' else 1
                total = total - (s - denominator.logsumexp(0)) / divisor
            counted += 1
            positives_seen += len(similar)
            negatives_seen += len(other)
    return total, counted, positives_seen, negatives_seen


def random_inputs(classes=3, num_anchors=4, num_keys=4, dim=6, dtype=torch.float64, filled=0.7):
    anchors = F.normalize(torch.randn(classes, num_anchors, dim, dtype=dtype), dim=-1)
    keys = F.normalize(torch.randn(classes, num_keys, dim, dtype=dtype), dim=-1)
    return (
        anchors.requires_grad_(),
        keys,
        torch.rand(classes, num_anchors) < filled,
        torch.rand(classes, num_keys) < filled,
    )


@pytest.mark.parametrize('temperature', [0.005, 0.07, 0.15, 1.0])
@pytest.mark.parametrize('own_offset', [0, 4, None])
def test_equals_a_literal_loop_of_the_equation(temperature, own_offset):
    inputs = random_inputs(num_keys=8)
    result = grouped_contrast(*inputs, temperature, own_offset)
    expected = literal(*inputs, temperature, own_offset)
    torch.testing.assert_close(result[0], expected[0], rtol=1e-8, atol=1e-8)
    assert [int(v) for v in result[1:]] == list(expected[1:])
    (grad,) = torch.autograd.grad(result[0], inputs[0])
    (expected_grad,) = torch.autograd.grad(expected[0], inputs[0])
    # softplus(x) = x from x = 20 on: 2e-9
    torch.testing.assert_close(grad, expected_grad, rtol=1e-7, atol=1e-7 / temperature)


def test_gradcheck():
    anchors, keys, anchor_mask, key_mask = random_inputs()

    def loss(a):
        return grouped_contrast(a, keys, anchor_mask, key_mask, 0.15)[0]

    assert torch.autograd.gradcheck(loss, (anchors,))


@pytest.mark.parametrize('side', ['anchors', 'keys'])
def test_a_penalty_on_the_gradient_is_refused_and_not_left_out(side):
    anchors, keys, *masks = random_inputs()
    leaf = {'anchors': anchors, 'keys': keys.requires_grad_()}[side]
    loss = grouped_contrast(anchors, keys, *masks, 0.15)[0]
    with pytest.raises(RuntimeError, match=r'grouped_contrast has .* without create_graph=True'):
        torch.autograd.grad(loss, leaf, create_graph=True)
    (first,) = torch.autograd.grad(loss, leaf, retain_graph=True)
    assert torch.equal(first, torch.autograd.grad(loss, leaf)[0])


@pytest.mark.parametrize('top_n', [None, 2])
def test_keys_get_a_gradient_if_they_want_one(top_n):
    anchors, keys, *masks = random_inputs()
    keys.requires_grad_()
    loss = grouped_contrast(anchors, keys, *masks, 0.15, top_n=top_n)[0]
    got = torch.autograd.grad(loss, (anchors, keys))
    expected = torch.autograd.grad(
        literal(anchors, keys, *masks, 0.15, top_n=top_n)[0], (anchors, keys)
    )
    for gradient, naive in zip(got, expected):
        torch.testing.assert_close(gradient, naive, rtol=1e-7, atol=1e-9)


# ------------------------------------------------------------------ a bank, and the most similar positives


@pytest.mark.parametrize('top_n', [None, 1, 3, 100])
@pytest.mark.parametrize('temperature', [0.07, 1.0])
@pytest.mark.parametrize('reduction', ['mean', 'sum'])
def test_bank_and_top_n_equal_a_literal_loop_of_equation_6(top_n, temperature, reduction):
    anchors, keys, anchor_mask, key_mask = random_inputs(classes=4)
    bank = F.normalize(torch.randn(4, 5, 6, dtype=torch.float64), dim=-1)
    bank_mask = torch.rand(4, 5) < 0.6
    bank_mask[0] = False  # a class without rows
    key_mask[1] = bank_mask[1] = False  # an anchor without a positive
    anchor_mask[1, 0] = True
    keys.requires_grad_()
    inputs = (anchors, keys, anchor_mask, key_mask, temperature)
    options = {'bank': bank, 'bank_mask': bank_mask, 'top_n': top_n, 'reduction': reduction}
    result, expected = grouped_contrast(*inputs, **options), literal(*inputs, **options)
    torch.testing.assert_close(result[0], expected[0], rtol=1e-9, atol=1e-9)
    assert [int(v) for v in result[1:]] == list(expected[1:])
    got = torch.autograd.grad(result[0], (anchors, keys))
    for gradient, naive in zip(got, torch.autograd.grad(expected[0], (anchors, keys))):
        torch.testing.assert_close(gradient, naive, rtol=1e-7, atol=1e-8)


def test_top_n_gradcheck_of_both_sides():
    anchors, keys, anchor_mask, key_mask = random_inputs(filled=0.8)
    bank = F.normalize(torch.randn(3, 5, 6, dtype=torch.float64), dim=-1)
    bank_mask = torch.rand(3, 5) < 0.8

    def loss(a, k):
        return grouped_contrast(
            a, k, anchor_mask, key_mask, 0.3, bank=bank, bank_mask=bank_mask, top_n=2
        )[0]

    assert torch.autograd.gradcheck(loss, (anchors, keys.requires_grad_()))


def test_the_bank_is_a_constant_and_a_bank_is_further_keys():
    anchors, keys, anchor_mask, key_mask = random_inputs(num_keys=8)
    options = {'bank': keys[:, 4:].clone().requires_grad_(), 'bank_mask': key_mask[:, 4:]}
    split = grouped_contrast(anchors, keys[:, :4], anchor_mask, key_mask[:, :4], 0.15, 0, **options)
    joined = grouped_contrast(anchors, keys, anchor_mask, key_mask, 0.15, 0)
    for one, other in zip(split, joined):
        torch.testing.assert_close(one, other)
    split[0].backward()
    assert options['bank'].grad is None


def test_only_the_most_similar_positive_counts():
    e1, e2 = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    anchors = torch.stack([e1[None], e2[None]])
    bank = torch.stack([torch.stack([e1, -e1]), torch.stack([e2, -e2])])
    full = torch.ones(2, 1, dtype=torch.bool), torch.ones(2, 2, dtype=torch.bool)
    loss, _, positives, negatives = grouped_contrast(
        anchors, anchors, full[0], full[0], 0.5, bank=bank, bank_mask=full[1], top_n=1
    )
    # s+ = 2; three negatives of s = 0: -log(e^2 / (e^2 + 3))
    assert float(loss) == pytest.approx(2 * math.log(1 + 3 * math.exp(-2)))
    assert (int(positives), int(negatives)) == (4, 6)


def test_tiles_shrink_with_the_number_of_keys():
    anchors = F.normalize(torch.randn(2, 40, 4, dtype=torch.float64), dim=-1).requires_grad_()
    masks = torch.rand(2, 40) < 0.7, torch.rand(2, 9) < 0.7
    bank = F.normalize(torch.randn(2, 9, 4, dtype=torch.float64), dim=-1)
    options = {'bank': bank, 'bank_mask': masks[1], 'top_n': 2}
    inputs = (anchors, anchors, masks[0], masks[0], 0.5)
    whole = grouped_contrast(*inputs, **options)[0]
    (gradient,) = torch.autograd.grad(whole, anchors)
    with mock.patch('mmseg_contrast.models.losses.contrast._tile_rows', return_value=7):
        tiled = grouped_contrast(*inputs, **options)[0]
    torch.testing.assert_close(tiled, whole)
    torch.testing.assert_close(torch.autograd.grad(tiled, anchors)[0], gradient)


def test_one_tile_at_a_time_is_in_memory():
    classes, anchors, length = 20, 40, 400
    x = F.normalize(torch.randn(classes, anchors, 4), dim=2).requires_grad_()
    bank = F.normalize(torch.randn(classes, length, 4), dim=2)
    mask, bank_mask = (torch.ones(classes, n, dtype=torch.bool) for n in (anchors, length))

    def work():
        options = {'bank': bank, 'bank_mask': bank_mask}
        grouped_contrast(x, x, mask, mask, 0.1, **options)[0].backward()

    keys = classes * (anchors + length)
    rows = _tile_rows(keys, x.device)
    assert classes * anchors > 3 * rows
    tile = rows * keys * x.element_size()
    assert tile < peak_bytes(work, 'cpu') < 1.9 * tile


def test_more_rows_than_a_tile():
    # 2 x 150 rows are made in two tiles on a CPU.
    anchors = torch.randn(2, 150, 4, dtype=torch.float64, requires_grad=True)
    keys = torch.randn(2, 5, 4, dtype=torch.float64)
    masks = torch.rand(2, 150) < 0.7, torch.rand(2, 5) < 0.7
    result = grouped_contrast(anchors, keys, *masks, 0.5, None)
    (gradient,) = torch.autograd.grad(result[0], anchors)
    expected = literal(anchors, keys, *masks, 0.5, None)
    torch.testing.assert_close(result[0], expected[0], rtol=1e-10, atol=1e-10)
    (naive,) = torch.autograd.grad(expected[0], anchors)
    torch.testing.assert_close(gradient, naive, rtol=1e-8, atol=1e-10)


def test_own_offset_leaves_out_another_key():
    anchors, keys, *_ = random_inputs(num_keys=8)
    full = torch.ones(3, 4, dtype=torch.bool), torch.ones(3, 8, dtype=torch.bool)
    losses = [grouped_contrast(anchors, keys, *full, 0.15, o)[0].item() for o in (0, 4, None)]
    assert len(set(losses)) == 3
    # Keys of the second half, moved to the front, are what an offset of 4 speaks of.
    rolled = torch.cat([keys[:, 4:], keys[:, :4]], 1)
    assert grouped_contrast(anchors, rolled, *full, 0.15, 0)[0].item() == pytest.approx(losses[1])
    counts = [int(grouped_contrast(anchors, keys, *full, 0.15, o)[2]) for o in (0, None)]
    assert counts == [3 * 4 * 7, 3 * 4 * 8]


def test_padding_rows_do_not_count_whatever_they_hold():
    anchors, keys, anchor_mask, key_mask = random_inputs(filled=0.6)
    loss = grouped_contrast(anchors, keys, anchor_mask, key_mask, 0.15)[0]
    (grad,) = torch.autograd.grad(loss, anchors)
    assert (grad[~anchor_mask] == 0).all()
    changed = torch.where(anchor_mask[..., None], anchors, torch.full_like(anchors, 50))
    changed_keys = torch.where(key_mask[..., None], keys, torch.full_like(keys, -50))
    again = grouped_contrast(changed, changed_keys, anchor_mask, key_mask, 0.15)[0]
    torch.testing.assert_close(loss, again)


def test_a_cpu_does_not_work_on_padding(device):
    anchors, keys, _, key_mask = random_inputs(num_anchors=100)
    mask = torch.zeros(3, 100, dtype=torch.bool)
    mask[1, 40:43] = True
    with mock.patch.object(torch, 'addmm', wraps=torch.addmm) as products:
        grouped_contrast(anchors, keys, mask, key_mask.fill_(True), 0.1, None)
    rows = sum(len(call.args[1]) for call in products.call_args_list)
    assert rows == (3 if device == 'as on a CPU' else 300)


def test_two_classes_of_one_pair_by_hand():
    # Two anchors with key 1 as the positive of anchor 0 and so on; one negative each way.
    e1, e2 = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    vectors = torch.stack([torch.stack([e1, e1]), torch.stack([e2, e2])])
    full = torch.ones(2, 2, dtype=torch.bool)
    loss, anchors, positives, negatives = grouped_contrast(vectors, vectors, full, full, 0.5)
    # s+ = 2, two negatives of s = 0: -log(e^2 / (e^2 + 2))
    assert float(loss) == pytest.approx(4 * math.log(1 + 2 * math.exp(-2)))
    assert (int(anchors), int(positives), int(negatives)) == (4, 4, 8)


@pytest.mark.parametrize('case', ['one class', 'one class in the masks', 'no anchors', 'one pixel'])
def test_nothing_to_contrast_is_exactly_zero_with_a_finite_gradient(case):
    anchors, keys, _, _ = random_inputs(classes=1 if case == 'one class' else 3)
    anchor_mask = torch.zeros(anchors.shape[:2], dtype=torch.bool)
    key_mask = torch.zeros(keys.shape[:2], dtype=torch.bool)
    if case.startswith('one class'):
        anchor_mask[0], key_mask[0] = True, True
    if case == 'one pixel':
        anchor_mask[0, 0] = key_mask[0, 0] = True
    loss, counted, *_ = grouped_contrast(anchors, keys, anchor_mask, key_mask, 0.15)
    (grad,) = torch.autograd.grad(loss, anchors)
    assert float(loss) == 0
    assert (grad == 0).all()
    assert int(counted) == (4 if case.startswith('one class') else 0)


@pytest.mark.parametrize('temperature', [0.005, 0.02, 0.15, 1.0])
def test_float32_keeps_the_accuracy_of_float64(temperature):
    inputs = random_inputs(classes=5, num_anchors=30, num_keys=30, dim=32)
    exact = grouped_contrast(*inputs, temperature)[0]
    (exact_grad,) = torch.autograd.grad(exact, inputs[0])
    single = inputs[0].detach().float().requires_grad_()
    loss = grouped_contrast(single, inputs[1].float(), *inputs[2:], temperature)[0]
    (grad,) = torch.autograd.grad(loss, single)
    assert abs(float(loss / exact) - 1) < 1e-6
    assert float((grad - exact_grad).norm() / exact_grad.norm()) < 1e-5


@pytest.mark.parametrize('temperature', [0.005, 1.0])
@pytest.mark.parametrize('sign', [1, -1])
def test_extreme_similarities_stay_finite(temperature, sign):
    unit = F.normalize(torch.ones(2, 3, 4), dim=-1)
    anchors = unit.clone().requires_grad_()
    full = torch.ones(2, 3, dtype=torch.bool)
    loss = grouped_contrast(anchors, sign * unit, full, full, temperature)[0]
    loss.backward()
    assert torch.isfinite(anchors.grad).all()
    # All similarities are equal: 6 anchors, each -log(1 / (1 + 3)).
    assert float(loss) == pytest.approx(6 * math.log(4), rel=1e-5)


def test_autocast_computes_in_float32():
    anchors, keys, anchor_mask, key_mask = random_inputs(dtype=torch.float32)
    expected = grouped_contrast(anchors, keys, anchor_mask, key_mask, 0.07)[0]
    with torch.autocast('cpu', torch.bfloat16):
        inside = grouped_contrast(anchors, keys, anchor_mask, key_mask, 0.07)[0]
        low = grouped_contrast(anchors.bfloat16(), keys.bfloat16(), anchor_mask, key_mask, 0.07)[0]
    assert inside.dtype == low.dtype == torch.float32
    assert torch.equal(inside, expected)
    torch.testing.assert_close(low, expected, rtol=0.05, atol=0.05)


class Exponents(TorchDispatchMode):
    """Keeps the lowest number of which an exponential is taken."""

    lowest = 0.0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten.exp_.default:
            self.lowest = min(self.lowest, float(args[0].min()))
        return func(*args, **(kwargs or {}))


def test_no_exponential_underflows_where_keys_are_masked():
    anchors, keys, *masks = random_inputs(filled=0.5, dtype=torch.float32)
    bank = F.normalize(torch.randn(3, 7, 6), dim=-1)
    empty = torch.zeros(3, 7, dtype=torch.bool)
    with Exponents() as seen:
        loss, *_ = grouped_contrast(anchors, keys, *masks, 0.1, bank=bank, bank_mask=empty)
    assert math.log(torch.finfo(torch.float32).tiny) < seen.lowest < -40
    # and what is masked counts for nothing
    torch.testing.assert_close(loss, grouped_contrast(anchors, keys, *masks, 0.1)[0])
