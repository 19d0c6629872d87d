import math

import pytest
import torch
import torch.nn.functional as F
from sync_counter import SyncCounter
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmseg_contrast.models.losses import SupervisedContrastLoss, supervised_contrast
from mmseg_contrast.models.losses import supervised_contrast as function
from mmseg_contrast.models.losses.supervised_contrast import _slices

CLASSES = 4
module = __import__(function.__module__, fromlist=['x'])


def literal(anchors, keys, anchor_labels, key_labels, tau, include_self=True):
    """Eq. 1 as it is printed: each anchor, each of its positives, all keys; all pairs are kept."""
    losses, counts = [], []
    for f, k, y, z in zip(anchors, keys, anchor_labels, key_labels):
        known = (z >= 0) & (z < CLASSES)
        terms = []
        for i in range(len(f)):
            if not 0 <= y[i] < CLASSES:
                continue
            others = known.clone()
            if not include_self:
                others[i] = False
            positives = others & (z == y[i])
            if not positives.any():
                continue
            logits = k @ f[i] / tau
            terms.append(-(logits[positives] - logits[others].logsumexp(0)).mean())
        losses.append(torch.stack(terms).mean() if terms else f.sum() * 0)
        counts.append(len(terms))
    return torch.stack(losses), counts


def unit(*shape, dtype=torch.float64):
    return F.normalize(torch.randn(*shape, dtype=dtype), dim=-1).requires_grad_()


def random_labels(*shape, ignored=0.2):
    labels = torch.randint(0, CLASSES, shape)
    return labels.masked_fill(torch.rand(shape) < ignored, 255)


def random_inputs(groups=3, length=9, num_keys=None, dim=5, dtype=torch.float64):
    anchors, labels = unit(groups, length, dim, dtype=dtype), random_labels(groups, length)
    if num_keys is None:
        return anchors, None, labels, None
    keys = unit(groups, num_keys, dim, dtype=dtype)
    return anchors, keys, labels, random_labels(groups, num_keys)


def sides(inputs):
    """Anchors and keys, which may be the same."""
    anchors, keys, labels, _ = inputs
    return (anchors, anchors, labels, labels) if keys is None else inputs


def gradients(loss, inputs):
    leaves = [x for x in inputs[:2] if x is not None]
    weights = torch.arange(1.0, len(loss) + 1, dtype=loss.dtype)
    return torch.autograd.grad((loss * weights).sum(), leaves)


@pytest.fixture(params=[None, 4], ids=['one tile', 'many tiles'])
def tiles(request, monkeypatch):
    """Tiles of two rows, so that small inputs take every path."""
    if request.param:
        monkeypatch.setattr(module, '_tile_size', lambda _: request.param)
        monkeypatch.setattr(module, 'MIN_ROWS', 2)


@pytest.mark.parametrize('temperature', [0.005, 0.02, 0.07, 1.0])
@pytest.mark.parametrize('include_self', [True, False])
@pytest.mark.parametrize('num_keys', [None, 9, 13])
def test_equals_the_literal_equation(tiles, num_keys, include_self, temperature):
    inputs = random_inputs(num_keys=num_keys)
    loss, count = supervised_contrast(*inputs, temperature, CLASSES, include_self)
    expected, counts = literal(*sides(inputs), temperature, include_self)
    assert count.tolist() == counts
    torch.testing.assert_close(loss, expected, rtol=1e-9, atol=1e-9)
    for one, other in zip(gradients(loss, inputs), gradients(expected, inputs), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9 / temperature)


@pytest.mark.parametrize('include_self', [True, False])
@pytest.mark.parametrize('num_keys', [None, 8])
def test_gradcheck(tiles, num_keys, include_self):
    anchors, keys, *labels = random_inputs(groups=2, length=6, num_keys=num_keys, dim=3)

    def loss(*vectors):
        vectors = [*vectors, None][:2]
        return supervised_contrast(*vectors, *labels, 0.3, CLASSES, include_self)[0]

    assert torch.autograd.gradcheck(loss, (anchors,) if keys is None else (anchors, keys))


@pytest.mark.parametrize('num_keys', [None, 8])
def test_a_penalty_on_the_gradient_is_refused_and_not_left_out(num_keys):
    inputs = random_inputs(num_keys=num_keys)
    loss = supervised_contrast(*inputs, 0.1, CLASSES)[0].sum()
    leaves = [x for x in inputs[:2] if x is not None]
    with pytest.raises(RuntimeError, match=r'supervised_contrast has .* without create_graph=True'):
        torch.autograd.grad(loss, leaves, create_graph=True)
    first = torch.autograd.grad(loss, leaves, retain_graph=True)
    assert all(map(torch.equal, first, torch.autograd.grad(loss, leaves)))


@pytest.mark.parametrize('include_self', [True, False])
@pytest.mark.parametrize('num_keys', [None, 14])
def test_parts_are_averaged_each_on_its_own(tiles, num_keys, include_self):
    inputs = random_inputs(2, 12, num_keys)
    inputs[2][0, 4:8] = 255  # a part without a label
    loss, count = supervised_contrast(*inputs, 0.1, CLASSES, include_self, parts=3)
    expected = 0
    for part in range(3):
        labels = torch.full_like(inputs[2], 255)
        labels[:, 4 * part : 4 * part + 4] = inputs[2][:, 4 * part : 4 * part + 4]
        anchors, keys, _, key_labels = sides(inputs)
        expected = expected + literal(anchors, keys, labels, key_labels, 0.1, include_self)[0] / 3
    whole, counts = supervised_contrast(*inputs, 0.1, CLASSES, include_self)
    assert torch.equal(count, counts) and (loss - whole).abs().min() > 1e-3
    torch.testing.assert_close(loss, expected)
    for one, other in zip(gradients(loss, inputs), gradients(expected, inputs), strict=True):
        torch.testing.assert_close(one, other)


def test_kept_tiles_change_nothing(monkeypatch):
    monkeypatch.setattr(module, '_tile_size', lambda _: 4)
    inputs = random_inputs()
    results = [supervised_contrast(*inputs, 0.1, CLASSES, keep_tiles=k)[0] for k in (True, False)]
    assert torch.equal(*results)
    grads = [gradients(result, inputs)[0] for result in results]
    torch.testing.assert_close(*grads)


def test_the_same_vectors_as_keys_are_the_anchors_themselves():
    anchors, _, labels, _ = random_inputs()
    one, _ = supervised_contrast(anchors, None, labels, None, 0.1, CLASSES)
    two, _ = supervised_contrast(anchors, anchors, labels, labels, 0.1, CLASSES)
    torch.testing.assert_close(one, two)
    grads = [torch.autograd.grad(loss.sum(), anchors)[0] for loss in (one, two)]
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize('temperature', [0.005, 0.01, 0.02, 0.07, 1.0])
@pytest.mark.parametrize('num_keys', [None, 700])
def test_float32_keeps_the_accuracy_of_float64(num_keys, temperature):
    """More rows than a tile; features that have begun to cluster, as in a training."""
    anchors, keys, *labels = random_inputs(1, 600, num_keys, 64)
    centres = torch.randn(256, 64, dtype=torch.float64)
    inputs = []
    for x, y in zip((anchors, keys), labels):
        clustered = x if x is None else F.normalize(x.detach() + 0.1 * centres[y], dim=-1)
        inputs.append(x if x is None else clustered.requires_grad_())
    exact, _ = supervised_contrast(*inputs, *labels, temperature, CLASSES)
    single = [x if x is None else x.detach().float().requires_grad_() for x in inputs]
    loss, _ = supervised_contrast(*single, *labels, temperature, CLASSES)
    assert loss.dtype == torch.float32
    assert abs(float((loss / exact).detach()) - 1) < 1e-6
    for one, other in zip(gradients(loss, single), gradients(exact, inputs), strict=True):
        assert float((one - other).norm() / other.norm()) < 1e-5


#: Half the distance of 1 from the next number: the most that rounding changes a float32, relatively.
ROUNDING = torch.finfo(torch.float32).eps / 2


def rounding_of_gradient(anchors, labels, temperature, two_sides):
    """Norm of the difference between gradients in float32 and float64, and that of the latter.

    In units of ``ROUNDING / (temperature * N ** 0.5)``: what one rounding of all weights 1 / N makes.
    """
    single = [anchors.float(), anchors.float() if two_sides else None]
    double = [x if x is None else x.double() for x in single]
    grads = []
    for inputs in (single, double):
        inputs = [x if x is None else x.requires_grad_() for x in inputs]
        key_labels = labels if two_sides else None
        loss, _ = supervised_contrast(*inputs, labels, key_labels, temperature, CLASSES)
        grads.append(torch.cat(gradients(loss, inputs), 2))
    unit_of_all = ROUNDING / (temperature * anchors.shape[1] ** 0.5)
    return [float(x.norm()) / unit_of_all for x in (grads[0] - grads[1], grads[1])]


@pytest.mark.parametrize('two_sides', [False, True])
def test_rounding_of_sums_over_the_keys_does_not_reach_a_gradient_that_vanishes(two_sides):
    """Equal vectors in each class, orthogonal to the others: the gradient is 0, and so are its parts.

    The similarities are 0 and 1, in whatever order a product is summed, and the exponentials of a class
    1; that of 1 / 0.03 less is no part of their sum. So each weight is a difference of two numbers near
    1 / (N n), for n positives, which are rounded twice each, from both ends: 8 roundings of 1 / (N n) at
    most. Sums over 1,000 keys would have many more, if both parts were summed before the difference.
    """
    labels = torch.arange(3).repeat_interleave(1000)[None]
    anchors = torch.eye(16, dtype=torch.float64)[labels]
    error, exact = rounding_of_gradient(anchors, labels, 0.03, two_sides)
    assert exact < 1e-4 and error < 8


@pytest.mark.parametrize('two_sides', [False, True])
def test_compact_classes_leave_the_rounding_of_the_similarities_alone(two_sides):
    """A cosine of 0.9 within a class; several tiles, of which the sums add up.

    A similarity of unit vectors is a sum of D products, whose roundings add up as a random walk to
    D ** 0.5 of one, and 1 / temperature of it reaches the weight of a key. Its n positives share the
    weight of an anchor, so that independent roundings of theirs average to n ** -0.5. Two more come from
    the weights themselves. Four times as much is far out in the tail, in whatever order a product is
    summed.
    """
    labels = torch.randint(0, CLASSES, (1, 1600))
    centres = F.normalize(torch.randn(CLASSES, 64, dtype=torch.float64), dim=-1)
    spread = unit(*labels.shape, 64).detach()
    anchors = F.normalize(0.9**0.5 * centres[labels] + 0.1**0.5 * spread, dim=-1)
    error, exact = rounding_of_gradient(anchors, labels, 0.07, two_sides)
    positives = labels.numel() / CLASSES
    assert error < 4 * ((64 / positives) ** 0.5 / 0.07 + 2) < 1e-3 * exact


@pytest.mark.parametrize(('length', 'num_keys'), [(0, None), (0, 5), (5, 0), (0, 0)])
def test_no_rows_give_an_exact_zero_with_a_gradient(tiles, length, num_keys):
    inputs = random_inputs(3, length, num_keys)
    for include_self in (True, False)[: 1 + (length == 0)]:
        for parts in (1, 5):
            loss, count = supervised_contrast(*inputs, 0.07, CLASSES, include_self, parts=parts)
            assert loss.tolist() == count.tolist() == [0] * 3
            for vectors, grad in zip(inputs, gradients(loss, inputs)):
                assert grad.shape == vectors.shape and (grad == 0).all()


@pytest.mark.parametrize('include_self', [True, False])
@pytest.mark.parametrize('num_keys', [None, 9])
@pytest.mark.parametrize('case', ['all ignored', 'one pixel', 'no class twice'])
def test_nothing_to_contrast_has_a_finite_gradient(case, num_keys, include_self):
    anchors, keys, labels, key_labels = random_inputs(num_keys=num_keys)
    for each in (labels, key_labels):
        if each is not None:
            each.fill_(255)
            each[:, 0] = 0 if case == 'one pixel' else 255
            if case == 'no class twice':
                each[:, :CLASSES] = torch.arange(CLASSES)
    loss, count = supervised_contrast(
        anchors, keys, labels, key_labels, 0.07, CLASSES, include_self
    )
    found = {'all ignored': 0, 'one pixel': 1, 'no class twice': CLASSES}[case] * include_self
    assert count.tolist() == [found] * 3
    if not found:
        assert loss.tolist() == [0] * 3
    if case == 'one pixel' and include_self:
        torch.testing.assert_close(loss, torch.zeros(3, dtype=loss.dtype), atol=1e-9, rtol=0)
    for grad in gradients(loss, (anchors, keys)):
        assert torch.isfinite(grad).all()
        if not found:
            assert (grad == 0).all()


def test_one_class_is_not_zero_and_its_minimum_is_the_logarithm_of_the_keys():
    labels = torch.zeros(1, 7, dtype=torch.long)
    equal = unit(1, 1, 5).detach().expand(-1, 7, -1).clone().requires_grad_()
    loss, _ = supervised_contrast(equal, None, labels, None, 0.07, CLASSES)
    assert float(loss) == pytest.approx(math.log(7))
    assert float(torch.autograd.grad(loss, equal)[0].abs().max()) < 1e-12
    spread, _ = supervised_contrast(unit(1, 7, 5), None, labels, None, 0.07, CLASSES)
    assert float(spread) > math.log(7)


def test_an_absent_class_and_two_classes_by_hand():
    e = torch.eye(2, dtype=torch.float64)
    vectors, labels = torch.stack([e[0], e[0], e[1]])[None], torch.tensor([[0, 0, 3]])
    loss, _ = supervised_contrast(vectors, None, labels, None, 0.5, CLASSES)
    pair, alone = math.log(2 + math.exp(-2)), math.log(1 + 2 * math.exp(-2))
    assert float(loss) == pytest.approx((2 * pair + alone) / 3)
    without, count = supervised_contrast(vectors, None, labels, None, 0.5, CLASSES, False)
    assert (float(without), int(count)) == (pytest.approx(math.log(1 + math.exp(-2))), 2)


def test_ignored_pixels_neither_count_nor_move():
    anchors, keys, labels, key_labels = random_inputs(num_keys=9)
    loss, _ = supervised_contrast(anchors, keys, labels, key_labels, 0.1, CLASSES)
    for side, vectors, each in zip('ak', gradients(loss, (anchors, keys)), (labels, key_labels)):
        assert (vectors[each == 255] == 0).all(), side
        assert (vectors[each != 255].norm(dim=-1) > 0).any(), side
    other = torch.where((labels == 255)[..., None], unit(*anchors.shape), anchors)
    other_keys = torch.where((key_labels == 255)[..., None], unit(*keys.shape), keys)
    again, _ = supervised_contrast(other, other_keys, labels, key_labels, 0.1, CLASSES)
    assert torch.equal(loss, again)
    with_minus_one = labels.masked_fill(labels == 255, -1), key_labels
    same, _ = supervised_contrast(anchors, keys, *with_minus_one, 0.1, CLASSES)
    assert torch.equal(loss, same)


def test_autocast_leaves_it_alone_and_low_precision_is_made_float32():
    inputs = random_inputs(num_keys=9, dtype=torch.float32)
    expected, _ = supervised_contrast(*inputs, 0.07, CLASSES)
    with torch.autocast('cpu', torch.bfloat16):
        inside, _ = supervised_contrast(*inputs, 0.07, CLASSES)
    low = [x.detach().bfloat16().requires_grad_() for x in inputs[:2]]
    rounded, _ = supervised_contrast(*low, *inputs[2:], 0.07, CLASSES)
    assert inside.dtype == rounded.dtype == torch.float32
    assert torch.equal(inside, expected)
    torch.testing.assert_close(rounded, expected, rtol=0.05, atol=0.05)
    assert gradients(rounded, low)[0].dtype == torch.bfloat16


def test_compiled_is_the_same():
    inputs = random_inputs()
    expected, _ = supervised_contrast(*inputs, 0.1, CLASSES)
    try:
        compiled = torch.compile(
            lambda x: supervised_contrast(2 * x, *inputs[1:], 0.1, CLASSES)[0] + 1, backend='eager'
        )
        result = compiled(inputs[0] / 2)
    finally:
        torch.compiler.reset()
    torch.testing.assert_close(result, expected + 1)
    assert gradients(result, inputs)[0].abs().sum() > 0


@pytest.mark.parametrize('include_self', [True, False])
@pytest.mark.parametrize('num_keys', [None, 70])
def test_no_value_is_read_back(num_keys, include_self):
    inputs = random_inputs(2, 70, num_keys, dtype=torch.float32)
    with SyncCounter() as counter:
        supervised_contrast(*inputs, 0.07, CLASSES, include_self)[0].sum().backward()
    assert dict(counter.counts) == {}
    # on the meta device every read raises
    meta = [x if x is None else x.detach().to('meta') for x in inputs]
    leaves = [x.requires_grad_() for x in meta[:2] if x is not None]
    loss, count = supervised_contrast(*meta, 0.005, CLASSES, include_self)
    loss.sum().backward()
    assert count.device.type == 'meta'
    assert all(x.grad.shape == x.shape for x in leaves)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'temperature': 0.001}, r'temperature=0.001\): give 0.003 or more'),
        ({'temperature': -1.0}, 'give 0.003 or more'),
        ({'num_classes': 0}, 'num_classes=0'),
        ({'parts': 2}, r'parts=2\) got 9 anchors'),
        ({'parts': 0}, r'parts=0\)'),
        ({'keys': None}, 'keys together with key_labels, or neither'),
        ({'anchors': torch.zeros(9, 5)}, r'anchors of shape \(9, 5\)'),
        ({'anchors': torch.zeros(3, 9, 5).long()}, 'give real vectors'),
        ({'anchor_labels': torch.zeros(3, 8).long()}, r'labels of shape \(3, 8\)'),
        ({'key_labels': torch.zeros(3, 9)}, 'one integer for each vector'),
        ({'keys': torch.zeros(3, 9, 4)}, 'groups and channels must agree'),
        (
            {
                'keys': torch.zeros(3, 5, 5),
                'key_labels': torch.zeros(3, 5).long(),
                'include_self': False,
            },
            '5 keys for 9 anchors',
        ),
    ],
)
def test_what_it_cannot_take_is_one_sentence(change, message):
    names = ('anchors', 'keys', 'anchor_labels', 'key_labels')
    inputs = dict(zip(names, random_inputs(num_keys=9)), temperature=0.1, num_classes=CLASSES)
    with pytest.raises(ValueError, match=message):
        supervised_contrast(**{**inputs, **change})


def test_slices_cover():
    assert [(s.start, s.stop) for s in _slices(7, 3)] == [(0, 3), (3, 6), (6, 7)]


# ------------------------------------------------------------------ the variants


def batch(images=3, length=8, distorted=True):
    anchors = unit(images, length, 5)
    keys = unit(images, length, 5) if distorted else None
    return anchors, keys, random_labels(images, length)


@pytest.mark.parametrize('distorted', [True, False])
def test_within_image_is_the_mean_over_the_images(distorted):
    anchors, keys, labels = batch(distorted=distorted)
    labels[1] = 255
    loss, stats = SupervisedContrastLoss(loss_weight=2.0)(anchors, keys, labels, CLASSES)
    expected, counts = literal(*sides((anchors, keys, labels, labels)), 0.07)
    torch.testing.assert_close(loss, 2 * expected.sum() / 3)
    assert int(stats['anchors']) == sum(counts)
    assert not any('loss' in name for name in stats)


@pytest.mark.parametrize('distorted', [True, False])
def test_batch_is_one_bag_of_pixels(distorted):
    anchors, keys, labels = batch(distorted=distorted)
    loss, _ = SupervisedContrastLoss('batch')(anchors, keys, labels, CLASSES)
    bag = [x.flatten(0, 1)[None] for x in sides((anchors, keys, labels, labels))]
    expected, _ = literal(*bag, 0.07)
    torch.testing.assert_close(loss, expected[0])


@pytest.mark.parametrize('include_self', [True, False])
@pytest.mark.parametrize('num_samples', [None, 16])
@pytest.mark.parametrize('distorted', [True, False])
def test_hybrid_with_all_others_has_the_keys_of_the_batch(distorted, num_samples, include_self):
    anchors, keys, labels = batch(distorted=distorted)
    labels[1] = 255
    criterion = SupervisedContrastLoss('hybrid', 0.07, num_samples, include_self)
    loss, stats = criterion(anchors, keys, labels, CLASSES)
    full = sides((anchors, keys, labels, labels))
    # Row b: the keys of image b, then those of all other images.
    bags = [torch.stack([x.roll(-b, 0).flatten(0, 1) for b in range(3)]) for x in (full[1], labels)]
    expected, counts = literal(anchors, bags[0], labels, bags[1], 0.07, include_self)
    torch.testing.assert_close(loss, expected.mean())
    assert int(stats['anchors']) == sum(counts) > 0
    leaves = [x for x in (anchors, keys) if x is not None]
    grads = (torch.autograd.grad(x, leaves) for x in (loss, expected.mean()))
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize('distorted', [True, False])
def test_a_hybrid_of_one_image_is_that_image(distorted):
    anchors, keys, labels = batch(distorted=distorted)
    full = sides((anchors, keys, labels, labels))
    alone, _ = SupervisedContrastLoss('hybrid')(anchors[:1], full[1][:1], labels[:1], CLASSES)
    single, _ = literal(anchors[:1], full[1][:1], labels[:1], labels[:1], 0.07)
    torch.testing.assert_close(alone, single[0])


class LargestTensor(TorchDispatchMode):
    """Keeps the size of the largest tensor that an operator makes."""

    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self.largest = max(self.largest, *sizes, 0)
        return result


@pytest.mark.parametrize('distorted', [True, False])
@pytest.mark.parametrize('variant', ['within_image', 'batch', 'hybrid'])
def test_no_tensor_is_larger_than_the_vectors(monkeypatch, variant, distorted):
    monkeypatch.setattr(module, '_tile_size', lambda _: 64)
    monkeypatch.setattr(module, 'MIN_ROWS', 2)
    anchors, keys, labels = batch(6, 20, distorted)
    with LargestTensor() as seen:
        SupervisedContrastLoss(variant)(anchors, keys, labels, CLASSES)[0].backward()
    assert seen.largest == anchors.numel()


@pytest.mark.parametrize('shape', [(3, 0, 5), (0, 8, 5)])
@pytest.mark.parametrize('distorted', [True, False])
@pytest.mark.parametrize('variant', ['within_image', 'batch', 'hybrid'])
def test_a_batch_without_pixels_is_an_exact_zero_with_a_gradient(variant, distorted, shape):
    anchors, keys, labels = batch(*shape[:2], distorted)
    loss, stats = SupervisedContrastLoss(variant)(anchors, keys, labels, CLASSES)
    loss.backward()
    assert float(loss.detach()) == int(stats['anchors']) == 0
    assert anchors.grad.shape == shape and (not distorted or keys.grad.shape == shape)


def test_batch_draws_labelled_pixels_without_replacement():
    anchors, keys, labels = batch(4, 50)
    criterion = SupervisedContrastLoss('batch', num_samples=60)
    loss, stats = criterion(anchors, keys, labels, CLASSES)
    grads = torch.autograd.grad(loss, (anchors, keys))
    for grad in grads:
        moved = grad.norm(dim=-1) > 0
        assert int(moved.sum()) == 60
        assert not moved[labels == 255].any()
    assert torch.equal(*(grad.norm(dim=-1) > 0 for grad in grads))
    assert int(stats['anchors']) == 60
    torch.manual_seed(1)
    assert criterion(anchors, keys, labels, CLASSES)[0] != loss


def test_hybrid_draws_from_the_other_images_alone():
    anchors, keys, labels = batch(3, 40)
    only_first = labels.clone()
    only_first[1:] = 255  # no anchors there, and, if drawn, no keys
    criterion = SupervisedContrastLoss('hybrid', num_samples=10)
    loss, _ = criterion(anchors, keys, only_first, CLASSES)
    expected, _ = literal(anchors[:1], keys[:1], labels[:1], labels[:1], 0.07)
    torch.testing.assert_close(loss, expected[0] / 3)

    drawn, drawn_labels = criterion._with_others(anchors, keys, labels, CLASSES)
    assert drawn.shape == (3, 50, 5) and (drawn_labels[:, 40:] != 255).all()
    assert torch.equal(drawn[:, :40], keys)
    for b in range(3):
        source = (drawn[b, 40:, None] == keys.flatten(0, 1)).all(-1).float()
        assert (source.sum(1) == 1).all() and (source.sum(0) <= 1).all()
        assert (source.argmax(1) // 40 != b).all()


def test_include_self_of_every_variant():
    for variant in ('within_image', 'batch', 'hybrid'):
        inputs = batch()
        with_self, without = (
            SupervisedContrastLoss(variant, include_self=flag)(*inputs, CLASSES)[0]
            for flag in (True, False)
        )
        assert with_self != without


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'variant': 'image'}, "variant='image'"),
        ({'variant': 'batch', 'num_samples': 0}, 'give 1 or more'),
        ({'temperature': 0}, r'SupervisedContrastLoss\(temperature=0\): give 0.003 or more'),
        ({'temperature': math.nan}, 'temperature=nan'),
        ({'num_samples': 5}, "none for 'within_image'"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        SupervisedContrastLoss(**options)


@pytest.mark.parametrize('variant', ['within_image', 'batch', 'hybrid'])
def test_variants_read_nothing_back(variant):
    samples = None if variant == 'within_image' else 5
    anchors, keys = (torch.empty(3, 8, 5, device='meta', requires_grad=True) for _ in range(2))
    labels = torch.empty(3, 8, dtype=torch.long, device='meta')
    loss, _ = SupervisedContrastLoss(variant, num_samples=samples)(anchors, keys, labels, CLASSES)
    loss.backward()
    assert keys.grad.shape == anchors.grad.shape == (3, 8, 5)
