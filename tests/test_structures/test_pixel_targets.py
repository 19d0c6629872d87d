import pytest
import torch
import torch.nn.functional as F
from helpers import make_step
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmseg_contrast.structures import PixelTargets, count_classes
from mmseg_contrast.structures.pixel_targets import nearest, swap_pixels
from mmseg_contrast.structures.step import Features


def random_targets(batch=3, classes=4, size=(6, 5), soft=True):
    labels = torch.randint(0, classes, (batch, *size))
    labels[torch.rand(batch, *size) < 0.2] = 255
    weight = torch.rand(batch, *size) * (labels != 255)
    probs = torch.rand(batch, classes, *size).softmax(1) if soft else None
    return PixelTargets(labels, weight, probs)


def test_from_labels_weighs_what_is_not_ignored():
    targets = PixelTargets.from_labels(torch.tensor([[[0, 255], [7, 2]]], dtype=torch.uint8))
    assert targets.labels.dtype == torch.int64
    assert targets.labels.tolist() == [[[0, 255], [7, 2]]]
    assert targets.weight.tolist() == [[[1, 0], [1, 1]]]
    assert targets.probs is None
    assert len(targets) == 1


@pytest.mark.parametrize('ignore_index', [0, 7, 254])
def test_the_ignore_index_of_masks_becomes_255_and_padding_stays_ignored(ignore_index):
    targets = PixelTargets.from_labels(torch.tensor([[[1, ignore_index, 255]]]), ignore_index)
    assert targets.labels.tolist() == [[[1, 255, 255]]]
    assert targets.weight.tolist() == [[[1, 0, 0]]]


def test_from_samples_stacks_ground_truth():
    maps = [torch.tensor([[[0, 1]]]), torch.tensor([[[255, 2]]])]
    samples = [SegDataSample(gt_sem_seg=PixelData(data=data)) for data in maps]
    targets = PixelTargets.from_samples(samples)
    assert targets.labels.tolist() == [[[0, 1]], [[255, 2]]]
    assert targets.weight.tolist() == [[[1, 1]], [[0, 1]]]


def test_accepted_labels_ignore_what_has_no_weight():
    labels = torch.tensor([[[1, 2, 255, 0]]])
    targets = PixelTargets(labels, torch.tensor([[[1.0, 0.0, 0.0, 0.2]]]))
    assert targets.accepted_labels.tolist() == [[[1, 255, 255, 0]]]
    assert targets.labels.tolist() == [[[1, 2, 255, 0]]], 'the labels themselves must not change'


def test_classes_are_counted_without_ignored_pixels():
    labels = torch.tensor([[0, 2, 2], [255, 2, 255]])
    assert count_classes(labels, 4).tolist() == [1, 0, 3, 0]
    assert count_classes(labels.clamp(max=2), 3, ignore_index=2).tolist() == [1, 0, 0]
    assert count_classes(torch.full((2, 2), 255), 2).tolist() == [0, 0]


def test_mix_takes_each_pixel_from_image_or_partner():
    targets = random_targets()
    mask, order = torch.rand(3, 6, 5) < 0.5, torch.tensor([1, 2, 0])
    mixed = targets.mix(mask, order)
    for b in range(3):
        for y in range(6):
            for x in range(5):
                source = b if mask[b, y, x] else int(order[b])
                assert mixed.labels[b, y, x] == targets.labels[source, y, x]
                assert mixed.weight[b, y, x] == targets.weight[source, y, x]
                assert torch.equal(mixed.probs[b, :, y, x], targets.probs[source, :, y, x])


def test_mixing_pairs_twice_is_the_identity():
    targets = random_targets(batch=5)
    order = torch.tensor([3, 2, 1, 0, 4])
    mask = torch.rand(5, 6, 5) < 0.5
    mask[3], mask[2] = mask[0], mask[1]
    once = targets.mix(mask, order)
    twice = once.mix(mask, order)
    assert not torch.equal(once.labels, targets.labels)
    for name in ('labels', 'weight', 'probs'):
        assert torch.equal(getattr(twice, name), getattr(targets, name))


@pytest.mark.parametrize('shape', [(3, 4), (3, 2, 4)])
def test_swap_pixels_has_a_gradient_in_both_images(shape):
    x = torch.rand(*shape, 5, dtype=torch.float64, requires_grad=True)
    mask, order = torch.rand(3, 4, 5) < 0.5, torch.tensor([1, 0, 2])
    assert torch.autograd.gradcheck(lambda v: swap_pixels(v, mask, order), x)


@pytest.mark.parametrize('source', [(7, 5), (8, 8), (1, 9), (33, 65)])
@pytest.mark.parametrize('target', [(1, 1), (3, 2), (4, 4), (9, 17)])
def test_nearest_picks_the_pixel_under_each_centre(source, target):
    x = torch.arange(2 * source[0] * source[1]).view(2, *source)
    result = nearest(x, target)
    assert result.dtype == x.dtype
    for y in range(target[0]):
        for z in range(target[1]):
            row = int((y + 0.5) * source[0] / target[0] + 1e-9)
            col = int((z + 0.5) * source[1] / target[1] + 1e-9)
            assert torch.equal(result[:, y, z], x[:, row, col]), (y, z)


def test_nearest_of_equal_size_is_the_identity():
    x = torch.rand(2, 7, 3) < 0.5
    assert torch.equal(nearest(x, (7, 3)), x)


def test_resize_keeps_ignored_pixels_ignored_and_probs_normalised():
    targets = random_targets(size=(9, 7))
    small = targets.resize((4, 3))
    assert torch.equal(small.labels, nearest(targets.labels, (4, 3)))
    assert torch.equal(small.weight == 0, small.labels == 255)
    expected = F.interpolate(targets.probs, (4, 3), mode='bilinear', align_corners=False)
    assert torch.equal(small.probs, expected)
    torch.testing.assert_close(small.probs.sum(1), torch.ones(3, 4, 3))
    assert random_targets(soft=False).resize((2, 2)).probs is None


def test_cat_keeps_probs_only_where_all_parts_have_them():
    soft, other, hard = random_targets(2), random_targets(1), random_targets(1, soft=False)
    both = PixelTargets.cat([soft, other])
    assert len(both) == 3
    assert torch.equal(both.labels, torch.cat([soft.labels, other.labels]))
    assert torch.equal(both.weight, torch.cat([soft.weight, other.weight]))
    assert torch.equal(both.probs, torch.cat([soft.probs, other.probs]))
    assert PixelTargets.cat([soft, hard]).probs is None


def test_step_targets_put_labeled_images_first():
    labeled, pseudo = random_targets(1, soft=False), random_targets(2)
    step = make_step(Features(()), labeled, pseudo)
    assert torch.equal(step.targets.labels, torch.cat([labeled.labels, pseudo.labels]))
    assert step.targets.probs is None
    assert torch.equal(make_step(Features(()), pseudo=pseudo).targets.labels, pseudo.labels)


def test_rejected_pixels_keep_their_label_on_demand():
    labels = torch.tensor([[[0, 1], [255, 2]]])
    step = make_step(Features(()), pseudo=PixelTargets(labels, (labels == 2).float()))
    assert step.labels_at((2, 2))[0].tolist() == [[[255, 255], [255, 2]]]
    assert torch.equal(step.labels_at((2, 2), rejected=True)[0], labels)
