import pytest
import torch
import torch.nn.functional as F
from sync_counter import SyncCounter

from mmseg_contrast.models.losses import class_bank_contrast

C, D = 4, 6


def problem(seed=0, batch=2, pixels=30, size=5, classes=C, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(batch, D, pixels, generator=generator, dtype=dtype)
    labels = torch.randint(0, classes, (batch, pixels), generator=generator)
    labels[torch.rand(batch, pixels, generator=generator) < 0.2] = 255
    labels[1, 1] = 1
    rows = torch.randn(C, size, D, generator=generator, dtype=dtype)
    valid = torch.arange(size) < torch.tensor([[size], [2], [1], [3]])
    scores = torch.rand(batch, pixels, generator=generator, dtype=dtype)
    row_scores = torch.rand(C, size, generator=generator, dtype=dtype)
    return vectors.requires_grad_(), labels, rows, valid, scores, row_scores


def literal(vectors, labels, rows, valid, scores=None, row_scores=None):
    """Equations 8 to 11 as they are printed, by loops over classes, pixels and rows."""
    flat = vectors.transpose(1, 2).flatten(0, 1)
    total = flat.sum() * 0
    for c in range(len(rows)):
        ids = (labels.flatten() == c).nonzero().flatten().tolist()
        places = valid[c].nonzero().flatten().tolist()
        if not ids or not places:
            continue
        p_scores = [1.0 if scores is None else scores.flatten()[i] for i in ids]
        z_scores = [1.0 if row_scores is None else row_scores[c, j] for j in places]
        for i, p_score in zip(ids, p_scores):
            for j, z_score in zip(places, z_scores):
                p, z = flat[i], rows[c, j]
                w_p = len(ids) / sum(p_scores) * p_score
                w_z = len(places) / sum(z_scores) * z_score
                cosine = (p @ z) / (p.norm() * z.norm())
                distance = w_p * w_z * (1 - cosine)
                total = total + distance / (len(rows) * len(ids) * len(places))
    return total


@pytest.mark.parametrize('attention', [False, True])
@pytest.mark.parametrize('memory', [False, True])
@pytest.mark.parametrize('classes', [C, 2])
def test_equals_the_equations(attention, memory, classes):
    vectors, labels, rows, valid, scores, row_scores = problem(classes=classes)
    inputs = [vectors]
    kwargs = {}
    if attention:
        kwargs['scores'] = scores.requires_grad_()
    if memory:
        kwargs['row_scores'] = row_scores.requires_grad_()
    inputs += kwargs.values()
    loss, per_class = class_bank_contrast(vectors, labels, rows, valid, **kwargs)
    expected = literal(vectors, labels, rows, valid, **kwargs)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-14)
    assert per_class.sum().item() / C == pytest.approx(loss.item(), abs=1e-14)
    assert (per_class[classes:] == 0).all()
    for one, other in zip(torch.autograd.grad(loss, inputs), torch.autograd.grad(expected, inputs)):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-14)


def test_gradcheck():
    vectors, labels, rows, valid, scores, row_scores = problem(pixels=5)
    leaves = [x.detach().requires_grad_() for x in (vectors, scores, row_scores)]

    def loss(vectors, scores, row_scores):
        return class_bank_contrast(vectors, labels, rows, valid, scores, row_scores)[0]

    assert torch.autograd.gradcheck(loss, leaves)


def test_a_vector_too_short_to_have_a_direction_is_scaled_and_not_turned():
    """Below the least length, vectors are divided by it: no part of the gradient is left out."""
    vectors, labels, rows, valid, *_ = problem()
    with torch.no_grad():
        vectors[1, :, 1] = 0.3e-12 * torch.eye(D)[0]
    loss, _ = class_bank_contrast(vectors, labels, rows, valid)
    grad = torch.autograd.grad(loss, vectors)[0][1, :, 1]
    mean = F.normalize(rows[1, valid[1]], dim=1).mean(0)
    expected = -mean / (C * (labels == 1).sum() * 1e-12)
    torch.testing.assert_close(grad, expected)


def test_a_penalty_on_the_gradient_is_refused_and_not_left_out():
    vectors, labels, rows, valid, *_ = problem()
    loss, _ = class_bank_contrast(vectors, labels, rows, valid)
    with pytest.raises(RuntimeError, match=r'class_bank_contrast has .* without create_graph=True'):
        torch.autograd.grad(loss, vectors, create_graph=True)
    first = torch.autograd.grad(loss, vectors, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(loss, vectors)[0])


def test_is_0_for_vectors_that_point_where_the_bank_does_and_2_for_the_opposite():
    rows = torch.randn(C, 1, D).expand(C, 3, D).clone()
    labels = torch.arange(C).repeat(2, 3)
    vectors = rows[labels, 0].transpose(1, 2) * 7
    valid = torch.ones(C, 3, dtype=torch.bool)
    assert class_bank_contrast(vectors, labels, rows, valid)[0].item() == pytest.approx(0, abs=1e-6)
    assert class_bank_contrast(-vectors, labels, rows, valid)[0].item() == pytest.approx(2)


def test_scores_have_no_scale_and_pull_away_from_the_far():
    vectors, labels, rows, valid, scores, row_scores = problem()
    one = class_bank_contrast(vectors, labels, rows, valid, scores, row_scores)[0]
    other = class_bank_contrast(vectors, labels, rows, valid, 3 * scores, row_scores / 9)[0]
    assert one.item() == pytest.approx(other.item(), abs=1e-14)


@pytest.mark.parametrize('case', ['no label', 'no row'])
def test_empty_parts_count_0_and_keep_the_graph(case):
    vectors, labels, rows, valid, scores, row_scores = problem()
    scores.requires_grad_(), row_scores.requires_grad_()
    if case == 'no row':
        valid, rows = torch.zeros_like(valid), torch.zeros_like(rows)
    else:
        labels = torch.full_like(labels, 255)
    loss, _ = class_bank_contrast(vectors, labels, rows, valid, scores, row_scores)
    loss.backward()
    assert loss.item() == 0
    for leaf in (vectors, scores, row_scores):
        assert not leaf.grad.any()


def test_one_pixel():
    vectors, labels, rows, valid, scores, row_scores = problem()
    labels = torch.full_like(labels, 255).index_put(
        (torch.tensor(0), torch.tensor(3)), labels[1, 1]
    )
    inputs = vectors, labels, rows, valid, scores, row_scores
    loss = class_bank_contrast(*inputs)[0]
    assert loss.item() == pytest.approx(literal(*inputs).item(), abs=1e-14)
    loss.backward()
    assert vectors.grad[0, :, 3].any()
    assert not vectors.grad[1].any()


def test_a_vector_of_length_0_is_finite():
    vectors, labels, rows, valid, *_ = problem()
    vectors = vectors.detach().clone()
    vectors[0, :, 0] = 0
    vectors.requires_grad_()
    class_bank_contrast(vectors, labels, rows, valid)[0].backward()
    assert torch.isfinite(vectors.grad).all()


def test_float32_is_close_to_float64_and_autocast_changes_nothing():
    inputs = problem(pixels=500)
    exact = class_bank_contrast(*inputs)[0]
    (exact_grad,) = torch.autograd.grad(exact, inputs[0])
    single = [x.float() if x.is_floating_point() else x for x in inputs]
    single[0] = single[0].detach().requires_grad_()
    loss = class_bank_contrast(*single)[0]
    loss.backward()
    assert loss.item() == pytest.approx(exact.item(), rel=1e-6)
    difference = (single[0].grad.double() - exact_grad).norm() / exact_grad.norm()
    assert difference < 1e-5
    with torch.autocast('cpu', torch.bfloat16):
        mixed = class_bank_contrast(*single)[0]
    assert mixed.dtype == torch.float32 and mixed.item() == loss.item()


def test_no_pair_is_formed_and_nothing_waits():
    # 4,000 x 2,000 pairs of float32 would take 32 MB in one tensor; here no tensor may have 1 MB.
    vectors, labels, *_ = problem(pixels=2000, dtype=torch.float32)
    rows = torch.randn(C, 2000, D)
    valid = torch.ones(C, 2000, dtype=torch.bool)

    class Sizes(SyncCounter):
        largest = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = super().__torch_dispatch__(func, types, args, kwargs)
            for x in out if isinstance(out, (tuple, list)) else [out]:
                if isinstance(x, torch.Tensor):
                    self.largest = max(self.largest, x.numel())
            return out

    with Sizes() as counter:
        class_bank_contrast(vectors, labels, rows, valid)[0].backward()
    assert dict(counter.counts) == {}
    assert counter.largest <= max(vectors.numel(), rows.numel())
