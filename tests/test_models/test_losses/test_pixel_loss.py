import math
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from helpers import data_sample, head_cfg, random_label, set_iter
from mmseg.registry import MODELS

from mmseg_contrast.models.losses import (
    ConsistencyLoss,
    PixelCrossEntropyLoss,
    pixel_cross_entropy,
    pixel_loss,
)
from mmseg_contrast.structures import PixelTargets

B, C, H, W = 2, 4, 5, 3


def random_inputs(ignored=0.3):
    logits = torch.randn(B, C, H, W, requires_grad=True)
    labels = torch.randint(0, C, (B, H, W))
    labels[torch.rand(B, H, W) < ignored] = 255
    return logits, labels


def test_equals_torch_for_labels():
    logits, labels = random_inputs()
    expected = F.cross_entropy(logits, labels, ignore_index=255)
    torch.testing.assert_close(pixel_cross_entropy(logits, labels), expected)
    every = F.cross_entropy(logits, labels, ignore_index=255, reduction='sum') / (B * H * W)
    torch.testing.assert_close(pixel_cross_entropy(logits, labels, norm='all'), every)


def test_norm_by_the_coverage_is_the_mean_over_what_is_kept_divided_by_its_share():
    logits, labels = random_inputs()
    kept = (torch.rand(B, H, W) < 0.5) & (labels != 255)
    mean = F.cross_entropy(logits, labels, reduction='none', ignore_index=255)[kept].mean()
    result = pixel_cross_entropy(logits, labels, kept.float(), norm='coverage')
    torch.testing.assert_close(result, mean * B * H * W / kept.sum())


def test_norm_by_the_class_weights_is_pytorchs_mean():
    logits, labels = torch.randn(B, C, H, W), random_label((B, H, W), C)
    factors = torch.rand(C) + 0.1
    expected = F.cross_entropy(logits, labels, factors, ignore_index=255)
    result = pixel_cross_entropy(logits, labels, class_weight=factors, norm='class_weight')
    torch.testing.assert_close(result, expected)
    soft = logits.flip(1).softmax(1)
    result = pixel_cross_entropy(logits, soft, class_weight=factors, norm='class_weight')
    terms = factors[:, None, None] * soft
    expected = -(terms * logits.log_softmax(1)).sum() / terms.sum()
    torch.testing.assert_close(result, expected)
    # without factors the mean over the labelled pixels
    expected = F.cross_entropy(logits, labels, ignore_index=255)
    torch.testing.assert_close(pixel_cross_entropy(logits, labels, norm='class_weight'), expected)


@pytest.mark.parametrize('norm', ['valid', 'all'])
def test_weights_and_class_weights_against_a_loop(norm):
    logits, labels = random_inputs()
    weight, class_weight = torch.rand(B, H, W), torch.tensor([0.5, 1.0, 2.0, 3.0])
    total = norm_of = 0.0
    for b in range(B):
        for y in range(H):
            for x in range(W):
                c = int(labels[b, y, x])
                if c == 255:
                    continue
                w = float(weight[b, y, x])
                log_prob = logits[b, :, y, x].log_softmax(0)[c]
                total -= w * float(class_weight[c]) * float(log_prob)
                norm_of += w
    expected = total / (norm_of if norm == 'valid' else B * H * W)
    result = pixel_cross_entropy(logits, labels, weight, class_weight, norm)
    assert float(result) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('norm', ['valid', 'all'])
def test_soft_labels_against_a_loop(norm):
    logits, _ = random_inputs()
    probs, weight = torch.rand(B, C, H, W).softmax(1), torch.rand(B, H, W)
    terms = torch.stack([-probs[:, c] * logits.log_softmax(1)[:, c] for c in range(C)]).sum(0)
    expected = (terms * weight).sum() / (weight.sum() if norm == 'valid' else B * H * W)
    torch.testing.assert_close(pixel_cross_entropy(logits, probs, weight, norm=norm), expected)
    torch.testing.assert_close(pixel_cross_entropy(logits, probs), terms.mean())


def test_mean_of_each_image_then_of_the_batch():
    # 16 sure pixels in one image and 1 in the other: Eq. 2 of C3-SemiSeg, and with labels its Eq. 1.
    logits = torch.randn(3, C, 4, 4, dtype=torch.float64, requires_grad=True)
    probs = torch.rand(3, C, 4, 4, dtype=torch.float64).softmax(1)
    kept = torch.zeros(3, 4, 4)
    kept[0], kept[1, 2, 1] = 1, 1
    terms = -(probs * logits.log_softmax(1)).sum(1)
    soft = (terms[0].mean() + terms[1, 2, 1] + 0) / 3
    torch.testing.assert_close(pixel_cross_entropy(logits, probs, kept, norm='image'), soft)
    pooled = pixel_cross_entropy(logits, probs, kept)
    assert abs(float(soft) - float(pooled)) > 0.1
    labels = torch.randint(0, C, (3, 4, 4)).masked_fill(kept == 0, 255)
    hard = sum(
        F.cross_entropy(logits[b : b + 1], labels[b : b + 1], ignore_index=255) for b in (0, 1)
    )
    found = PixelCrossEntropyLoss(norm='image')(logits, labels)
    torch.testing.assert_close(found, hard / 3)
    torch.testing.assert_close(
        *(torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in (found, hard / 3))
    )


@pytest.mark.parametrize('norm', pixel_loss.NORMS)
def test_the_mean_of_two_processes_is_the_loss_of_their_joint_batch(norm):
    ranks = [(*random_inputs(ignored), torch.rand(B, H, W)) for ignored in (0.1, 0.7)]
    joint = pixel_cross_entropy(*(torch.cat(parts) for parts in zip(*ranks)), norm=norm)
    totals = []
    with mock.patch.object(pixel_loss, 'reduce_mean', lambda x: totals.append(x) or x):
        for logits, labels, weight in ranks:
            pixel_cross_entropy(logits, labels, weight, norm=norm)
    mean = torch.stack(totals).mean()
    with mock.patch.object(pixel_loss, 'reduce_mean', lambda _: mean):
        alone = [pixel_cross_entropy(*rank, norm=norm) for rank in ranks]
    torch.testing.assert_close(torch.stack(alone).mean(), joint)


def test_one_hot_soft_labels_equal_hard_ones():
    logits, labels = random_inputs()
    valid = (labels != 255).float()
    one_hot = F.one_hot(labels.where(labels != 255, 0), C).movedim(-1, 1).float()
    soft = pixel_cross_entropy(logits, one_hot, valid)
    hard = pixel_cross_entropy(logits, labels)
    torch.testing.assert_close(soft, hard)
    torch.testing.assert_close(
        *(torch.autograd.grad(loss, logits)[0] for loss in (soft, hard)), atol=1e-7, rtol=1e-5
    )


@pytest.mark.parametrize('norm', ['valid', 'image', 'all', 'coverage', 'class_weight'])
@pytest.mark.parametrize('soft', [False, True])
def test_nothing_that_counts_is_zero_with_a_zero_gradient(norm, soft):
    logits = torch.randn(B, C, H, W, requires_grad=True)
    target = torch.rand(B, C, H, W).softmax(1) if soft else torch.full((B, H, W), 255)
    weight = torch.zeros(B, H, W) if soft else None
    loss = pixel_cross_entropy(logits, target, weight, torch.ones(C), norm)
    loss.backward()
    assert float(loss) == 0
    assert (logits.grad == 0).all()


def test_dtypes_and_another_ignore_index():
    logits, labels = random_inputs()
    with torch.autocast('cpu', torch.bfloat16):
        loss = pixel_cross_entropy(logits.bfloat16(), labels)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, pixel_cross_entropy(logits, labels), rtol=0.02, atol=0.02)
    assert pixel_cross_entropy(logits.double(), labels).dtype == torch.float64
    renamed = labels.masked_fill(labels == 255, 9)
    torch.testing.assert_close(
        pixel_cross_entropy(logits, renamed, ignore_index=9), pixel_cross_entropy(logits, labels)
    )


def test_module_is_a_loss_decode_of_mmseg():
    logits, labels = random_inputs()
    loss = MODELS.build(
        {
            'type': 'PixelCrossEntropyLoss',
            'class_weight': [1.0, 2.0, 3.0, 4.0],
            'loss_weight': 0.4,
            'loss_name': 'loss_mine',
        }
    )
    assert loss.loss_name == 'loss_mine'
    weight = torch.rand(B, H, W)
    expected = 0.4 * pixel_cross_entropy(logits, labels, weight, torch.arange(1.0, 5.0))
    torch.testing.assert_close(loss(logits, labels, weight=weight, ignore_index=255), expected)
    assert PixelCrossEntropyLoss(class_weight=[1.0]).state_dict() == {}, 'no key in checkpoints'


def test_module_has_the_value_of_mmseg_with_average_over_valid_pixels():
    logits, labels = random_inputs()
    theirs = MODELS.build({'type': 'CrossEntropyLoss', 'avg_non_ignore': True})
    torch.testing.assert_close(
        PixelCrossEntropyLoss()(logits, labels), theirs(logits, labels, ignore_index=255)
    )


@pytest.mark.parametrize('override', [None, 'mean', 'sum', 'none'])
@pytest.mark.parametrize('avg_factor', [None, 7.0])
def test_module_is_called_as_the_losses_of_mmseg(override, avg_factor):
    """Theirs gives each pixel its factors likewise, and is averaged over all pixels."""
    logits, labels = random_inputs()
    weight, factors = torch.rand(B, H, W), [1.0, 2.0, 3.0, 4.0]
    options = {'class_weight': factors, 'loss_weight': 0.4}
    theirs = MODELS.build({'type': 'CrossEntropyLoss', **options})
    ours = MODELS.build({'type': 'PixelCrossEntropyLoss', **options})
    call = (logits, labels, weight, avg_factor, override, 255)
    if override == 'sum' and avg_factor is not None:
        with pytest.raises(ValueError, match='avg_factor'):
            ours(*call)
    elif override in (None, 'mean') and avg_factor is None:
        each = theirs(logits, labels, weight, None, 'none', 255)
        expected = each.sum() / (weight * (labels != 255)).sum()
        torch.testing.assert_close(ours(*call), expected)
    else:
        torch.testing.assert_close(ours(*call), theirs(*call))


def test_an_argument_that_has_no_effect_is_refused():
    logits, labels = random_inputs()
    with pytest.raises(TypeError, match='reduction'):
        PixelCrossEntropyLoss()(logits, labels, reduction='none')
    with pytest.raises(ValueError, match='median'):
        PixelCrossEntropyLoss()(logits, labels, reduction_override='median')


def test_the_sampler_of_mmseg_that_asks_for_the_loss_of_each_pixel_gets_it():
    """Without a threshold it keeps the highest losses, here 5 of each image."""
    head = MODELS.build(
        head_cfg(
            sampler={'type': 'OHEMPixelSampler', 'min_kept': 5},
            loss_decode=[
                {'type': 'PixelCrossEntropyLoss', 'class_weight': [1.0, 2.0, 3.0]},
                {'type': 'PixelCrossEntropyLoss', 'loss_weight': 0.5},
            ],
        )
    )
    samples = [data_sample(random_label((8, 8))) for _ in range(2)]
    logits, labels = torch.randn(2, 3, 8, 8), torch.cat([s.gt_sem_seg.data for s in samples])
    each = sum(
        factor * F.cross_entropy(logits, labels, weights, ignore_index=255, reduction='none')
        for factor, weights in ((1, torch.tensor([1.0, 2.0, 3.0])), (0.5, None))
    )
    expected = each.flatten().topk(10).values.mean()
    torch.testing.assert_close(head.loss_by_feat(logits, samples)['loss_ce'], expected)


def test_factors_of_classes_may_stand_in_a_file(tmp_path):
    file = tmp_path / 'factors.json'
    file.write_text('[1.0, 2.0, 3.0, 4.0]')
    assert PixelCrossEntropyLoss(class_weight=str(file)).class_weight.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize('kind', [PixelCrossEntropyLoss, ConsistencyLoss])
def test_unknown_norm_is_named(kind):
    with pytest.raises(ValueError, match=r"norm='sum'.*valid.*all"):
        kind(norm='sum')


@pytest.mark.parametrize(
    ('iteration', 'ramp'), [(9, 0.0), (10, math.exp(-5)), (20, math.exp(-1.25)), (30, 1), (99, 1)]
)
def test_consistency_is_weighted_and_ramped(iteration, ramp):
    logits, labels = random_inputs()
    weight = (torch.rand(B, H, W) < 0.5).float() * (labels != 255)
    probs = torch.rand(B, C, H, W).softmax(1)
    loss = ConsistencyLoss(loss_weight=2.63, ramp={'start': 10, 'length': 20})
    set_iter(iteration)
    losses, stats = loss(logits, PixelTargets(labels, weight, probs))
    raw = -(probs * logits.log_softmax(1)).sum(1)[weight > 0].mean()
    assert list(losses) == ['loss_consistency']
    torch.testing.assert_close(losses['loss_consistency'], 2.63 * ramp * raw)
    torch.testing.assert_close(stats['consistency_raw'].value(), raw.detach())
    assert not stats['consistency_raw'].part.requires_grad
    assert stats['consistency_ramp'] == pytest.approx(ramp)
    assert not any('loss' in name for name in stats), 'MMEngine would add it to the loss'


def test_hard_consistency_uses_the_labels():
    logits, labels = random_inputs()
    targets = PixelTargets.from_labels(labels)
    losses, _ = ConsistencyLoss(hard=True)(logits, targets)
    expected = F.cross_entropy(logits, labels, ignore_index=255)
    torch.testing.assert_close(losses['loss_consistency'], expected)
    everything, _ = ConsistencyLoss(hard=True, norm='all')(logits, targets)
    share = (labels != 255).float().mean()
    torch.testing.assert_close(everything['loss_consistency'], expected * share)
