import math

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS

from mmseg_contrast.models.mixing import CrossSetCutMix
from mmseg_contrast.models.mixing.cross_set_cutmix import draw_boxes
from mmseg_contrast.structures import PixelTargets

SIZE = (32, 48)
CPU = torch.device('cpu')


def targets(batch, size=SIZE, classes=3):
    labels = torch.randint(0, classes, (batch, *size))
    labels[torch.rand(batch, *size) < 0.1] = 255
    weight = torch.rand(batch, *size) * (labels != 255)
    return PixelTargets(labels, weight, torch.rand(batch, classes, *size).softmax(1))


def mix(mixing, num_labeled, num_unlabeled, images=None, size=SIZE):
    """Mix a batch; images that hold their own index tell where each pixel came from."""
    total = num_labeled + num_unlabeled
    if images is None:
        images = torch.arange(float(total)).view(-1, 1, 1, 1).expand(-1, 3, *size)
    return mixing(images, targets(num_labeled, size), targets(num_unlabeled, size), num_labeled)


def recovered(mixed):
    """Return mask and partner of each image from the mixed images of indices."""
    index = mixed.images[:, 0].long()
    own = torch.arange(len(index)).view(-1, 1, 1)
    mask = index == own
    order = torch.where(mask, own, index).flatten(1)
    partner = torch.stack(
        [
            row[row != i][:1].sum() if (row != i).any() else torch.tensor(i)
            for i, row in enumerate(order)
        ]
    )
    return mask, partner


def extent(box):
    rows, cols = box.any(1), box.any(0)
    return int(rows.sum()), int(cols.sum())


@pytest.mark.parametrize('area', [0.5, 0.25, (0.2, 0.6)])
def test_boxes_have_the_stated_area_and_shape(area):
    low, high = (area, area) if isinstance(area, float) else area
    size = (256, 320)
    boxes = draw_boxes(300, size, (low, high), CPU)
    shares, heights = [], []
    for box in boxes:
        height, width = extent(box)
        assert int(box.sum()) == height * width, 'the box must be one full rectangle'
        shares.append(height * width / (size[0] * size[1]))
        heights.append(height / size[0])
    slack = 1 / size[0] + 1 / size[1]
    assert low - slack < min(shares) and max(shares) < high + slack
    assert sum(shares) / 300 == pytest.approx((low + high) / 2, abs=0.03 if low < high else 0.002)
    assert low - slack < min(heights) and max(heights) <= 1
    assert max(heights) > 0.97 and min(heights) < (low + high) / 2 + 0.1, 'the whole range occurs'
    if low == high:
        # log(height fraction) / log(area) is uniform on [0, 1].
        draws = torch.tensor(heights).log() / math.log(low)
        assert float(draws.mean()) == pytest.approx(0.5, abs=4 * math.sqrt(1 / 12 / 300))


def test_boxes_lie_fully_inside_and_reach_every_border():
    boxes = draw_boxes(400, (20, 30), (0.3, 0.3), CPU)
    first_rows, last_rows = boxes[:, 0].any(1), boxes[:, -1].any(1)
    assert first_rows.any() and last_rows.any()
    assert not (first_rows & last_rows).all()
    # A box that was cut off at a border would have lost area.
    assert float(boxes.float().mean((1, 2)).min()) > 0.3 - 0.5 / 20 - 0.5 / 30 - 0.01


def test_both_mixes_of_a_pair_are_complementary():
    mixed = mix(CrossSetCutMix(), 3, 3)
    mask, order = recovered(mixed)
    assert torch.equal(order[order], torch.arange(6)), 'pairs'
    assert (order != torch.arange(6)).all(), 'each image has a partner'
    assert torch.equal(mask, mask[order]), 'both sides exchange the same box'
    # Each pixel of each image is in exactly one of the mixes.
    counts = torch.stack([(mixed.images[:, 0] == i).sum(0) for i in range(6)])
    assert (counts == 1).all()
    assert float((~mask).float().mean()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize('pairs', ['random', 'cross', 'intra'])
@pytest.mark.parametrize(('num_labeled', 'num_unlabeled'), [(2, 2), (3, 2), (1, 4), (0, 3), (2, 0)])
def test_align_undoes_the_mixing_and_no_target_moves(pairs, num_labeled, num_unlabeled):
    images = torch.randn(num_labeled + num_unlabeled, 3, *SIZE)
    labeled = targets(num_labeled)
    pseudo = targets(num_unlabeled)
    mixed = CrossSetCutMix(pairs)(images, labeled, pseudo, len(labeled))
    assert torch.equal(mixed.align(mixed.images), images)
    assert mixed.labeled is labeled and mixed.pseudo is pseudo


def test_mixing_targets_equals_unmixing_outputs():
    labeled, pseudo = targets(2), targets(3)
    logits, images = torch.randn(2, 5, 3, *SIZE)
    torch.manual_seed(5)
    index = torch.arange(5.0).view(-1, 1, 1, 1).expand(-1, 3, *SIZE)
    mask, order = recovered(CrossSetCutMix()(index, labeled, pseudo, len(labeled)))
    torch.manual_seed(5)
    mixed = CrossSetCutMix()(images, labeled, pseudo, len(labeled))
    assert (~mask).any()

    def terms(outputs, wanted):
        hard = F.cross_entropy(outputs, wanted.labels, ignore_index=255, reduction='none')
        soft = -(wanted.probs * outputs.log_softmax(1)).sum(1)
        return (wanted.weight * hard), (wanted.weight * soft)

    both = PixelTargets.cat([labeled, pseudo])
    unmixed = terms(mixed.align(logits), both)
    moved = terms(logits, both.mix(mask, order))
    for a, b in zip(unmixed, moved):
        # The same terms, each at the pixel where the student saw it.
        torch.testing.assert_close(a, torch.where(mask, b, b[order]))
        torch.testing.assert_close(a.sum(), b.sum())


def test_align_of_features_uses_the_same_box_at_their_resolution():
    mixed = mix(CrossSetCutMix(), 2, 2)
    mask, order = recovered(mixed)
    features = torch.randn(4, 7, SIZE[0] // 8, SIZE[1] // 8)
    aligned = mixed.align(features)
    for b in range(4):
        for y in range(features.shape[2]):
            for x in range(features.shape[3]):
                source = b if mask[b, 8 * y + 4, 8 * x + 4] else int(order[b])
                assert torch.equal(aligned[b, :, y, x], features[source, :, y, x])
    assert torch.equal(mixed.align(aligned), features)
    odd = torch.randn(4, 2, 5, 7)
    assert torch.equal(mixed.align(mixed.align(odd)), odd)


def test_align_passes_the_gradient_to_where_the_student_saw_the_pixel():
    mixed = mix(CrossSetCutMix(), 1, 1)
    outputs = torch.randn(2, 1, *SIZE, requires_grad=True)
    mixed.align(outputs)[0].sum().backward()
    mask, _ = recovered(mixed)
    assert torch.equal(outputs.grad[0, 0], mask[0].float())
    assert torch.equal(outputs.grad[1, 0], (~mask[0]).float())


def test_cross_always_pairs_labeled_with_unlabeled():
    for _ in range(20):
        mask, order = recovered(mix(CrossSetCutMix('cross'), 2, 4))
        touched = ~mask.flatten(1).all(1)
        assert touched[:2].all() and int(touched[2:].sum()) == 2
        assert (order[:2] >= 2).all()
        assert (order[2:][touched[2:]] < 2).all()


def test_intra_never_pairs_across_sets():
    for _ in range(20):
        mask, order = recovered(mix(CrossSetCutMix('intra'), 3, 4))
        touched = ~mask.flatten(1).all(1)
        assert int(touched[:3].sum()) == 2 and int(touched[3:].sum()) == 4
        assert (order[:3] < 3).all() and (order[3:] >= 3).all()


def test_random_pairs_follow_theory():
    # Of 8 images a partner is one of the 7 others, 4 of them in the other set.
    trials, across = 300, 0
    for _ in range(trials):
        _, order = recovered(mix(CrossSetCutMix(), 4, 4, size=(8, 8)))
        across += int((order[:4] >= 4).sum())
    share = across / (4 * trials)
    assert share == pytest.approx(4 / 7, abs=4 * math.sqrt(4 / 7 * 3 / 7 / (2 * trials)))


@pytest.mark.parametrize('pairs', ['random', 'intra'])
def test_the_odd_one_out_stays_unmixed(pairs):
    mask, _ = recovered(mix(CrossSetCutMix(pairs), 0, 5))
    assert int(mask.flatten(1).all(1).sum()) == 1


@pytest.mark.parametrize('prob', [0.0, 0.3])
def test_prob_is_the_share_of_pairs_that_are_mixed(prob):
    images = torch.arange(400.0).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)
    mixed = CrossSetCutMix(prob=prob)(images, targets(200, (8, 8)), targets(200, (8, 8)), 200)
    untouched = (mixed.images == images).flatten(1).all(1)
    share = 1 - float(untouched.float().mean())
    assert share == pytest.approx(prob, abs=4 * math.sqrt(prob * (1 - prob) / 200))
    assert torch.equal(mixed.align(mixed.images), images)


def test_other_channels_than_three():
    images = torch.randn(4, 5, *SIZE)
    mixed = CrossSetCutMix()(images, targets(2), targets(2), 2)
    assert torch.equal(mixed.align(mixed.images), images)
    assert not torch.equal(mixed.images, images)


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'pairs': 'all'}, "pairs='all'"),
        ({'area': 0}, 'area=0'),
        ({'area': (0.6, 0.2)}, r'area=\(0.6, 0.2\)'),
        ({'area': 1.5}, 'area=1.5'),
        ({'prob': -1}, 'prob=-1'),
    ],
)
def test_arguments_out_of_range_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build({'type': 'CrossSetCutMix', **kwargs})


def test_unlabeled_pairs_leave_the_labeled_images_alone():
    mask, partner = recovered(mix(CrossSetCutMix('unlabeled'), 3, 4))
    assert mask[:3].all()
    assert not mask[3:].flatten(1).all(1).any()
    assert set(partner[3:].tolist()) == {3, 4, 5, 6}
    mask, _ = recovered(mix(CrossSetCutMix('unlabeled'), 2, 1))
    assert mask.all(), 'nothing to mix one image with'
