import pytest
import torch
from helpers import set_iter
from sync_counter import SyncCounter

from mmseg_contrast.models.mixing import AugmentedViews
from mmseg_contrast.structures import PixelTargets

MEAN, STD = [120.0, 110.0, 100.0], [60.0, 55.0, 50.0]
STRONG = dict(
    class_mix=0.8,
    flip=0.5,
    resize=0.8,
    jitter=0.8,
    brightness=0.3,
    contrast=0.3,
    saturation=0.15,
    hue=0.1,
    blur=0.2,
)


def views(**kwargs):
    return AugmentedViews(4, MEAN, STD, **kwargs)


def batch(num_labeled=3, num_unlabeled=2, size=(16, 20)):
    labels = torch.randint(0, 4, (num_labeled + num_unlabeled, *size))
    labels[:, 3] = 255
    weight = (labels != 255) * (0.1 + 0.9 * torch.rand(labels.shape))
    targets = PixelTargets(labels, weight)
    images = torch.randn(len(labels), 3, *size)
    return images, targets[:num_labeled], targets[num_labeled:], num_labeled


def test_without_any_change_views_are_copies():
    images, labeled, pseudo, number = batch()
    mixed = views(num_views=3)(images, labeled, pseudo, number)
    assert mixed.moved
    assert torch.equal(mixed.images, torch.cat([images[:3], *[images[3:]] * 3]))
    assert torch.equal(mixed.labeled.labels, labeled.labels)
    assert torch.equal(mixed.pseudo.labels, pseudo.labels.repeat(3, 1, 1))
    assert torch.equal(mixed.pseudo.weight, pseudo.weight.repeat(3, 1, 1))
    x = torch.randn(9, 2, 4, 5)
    assert mixed.align(x) is x


def test_views_differ_and_leave_what_they_are_made_of():
    images, labeled, pseudo, number = batch()
    kept = images.clone(), labeled.labels.clone(), pseudo.labels.clone()
    mixed = views(weak=STRONG, strong=STRONG)(images, labeled, pseudo, number)
    assert mixed.images.shape == (7, 3, 16, 20) and len(mixed.pseudo) == 4
    assert not torch.equal(mixed.images[3:5], mixed.images[5:])
    for one, other in zip(kept, (images, labeled.labels, pseudo.labels)):
        assert torch.equal(one, other)
    for targets in (mixed.labeled, mixed.pseudo):
        assert not targets.weight[targets.labels == 255].any()


def test_classes_stay_within_set_and_domain():
    # each set has classes and colours of its own
    labels = torch.arange(6)[:, None, None].expand(6, 8, 8).clone()
    labels[:, :4] = (labels[:, :4] // 2) * 2
    images = (labels // 2).float().unsqueeze(1).repeat(1, 3, 1, 1)
    targets = PixelTargets.from_labels(labels)
    mixing = AugmentedViews(
        6, MEAN, STD, weak=dict(class_mix=1.0), strong=dict(class_mix=1.0), extra_class=True
    )
    mixed = mixing(images, targets[:4], targets[4:], num_in_domain=2)
    group = torch.cat([mixed.labeled.labels, mixed.pseudo.labels]) // 2
    assert torch.equal(
        group, torch.tensor([0, 0, 1, 1, 2, 2, 2, 2])[:, None, None].expand_as(group)
    )
    assert torch.equal(mixed.images[:, 0], group.float())
    assert not torch.equal(mixed.labeled.labels, targets.labels[:4]), 'something was pasted'


def test_classmix_waits_for_its_start():
    mixing = views(strong=dict(class_mix=1.0, class_mix_start=5))
    inputs = batch()
    set_iter(4)
    assert torch.equal(mixing(*inputs).pseudo.labels, inputs[2].labels.repeat(2, 1, 1))
    set_iter(5)
    assert not torch.equal(mixing(*inputs).pseudo.labels, inputs[2].labels.repeat(2, 1, 1))


def test_coins_follow_their_probability_and_may_be_shared():
    images, labeled, pseudo, _ = batch(0, 400, (4, 6))
    flip = dict(flip=0.3)
    mirrored = pseudo.labels.flip(2)
    out = views(strong=flip, num_views=1)(images, labeled, pseudo, 0).pseudo.labels
    flipped = (out == mirrored).flatten(1).all(1).float()
    assert flipped.mean().item() == pytest.approx(0.3, abs=0.07)
    shares = set()
    for _ in range(20):
        out = views(strong=flip, num_views=1, shared_coins=True)(images, labeled, pseudo, 0)
        shares.add((out.pseudo.labels == mirrored).flatten(1).all(1).float().mean().item())
    assert shares == {0.0, 1.0}


def test_colours_are_changed_in_the_image_and_not_in_its_normalised_values():
    images = torch.full((1, 3, 4, 4), 0.5)
    targets = PixelTargets.from_labels(torch.zeros(1, 4, 4, dtype=torch.long))
    mixing = views(strong=dict(jitter=1.0, brightness=0.5), num_views=1)
    out = mixing(images, targets[:0], targets, 0).images
    pixels = [out[0, c, 0, 0].item() * STD[c] + MEAN[c] for c in range(3)]
    factors = [p / (0.5 * s + m) for p, s, m in zip(pixels, STD, MEAN)]
    assert factors == pytest.approx([factors[0]] * 3, rel=1e-4)
    assert 0.5 <= factors[0] <= 1.5 and abs(factors[0] - 1) > 0.001


def test_blur_smooths_where_its_coin_falls():
    images, labeled, pseudo, _ = batch(0, 60)
    blurred = views(strong=dict(blur=0.5), num_views=1)(images, labeled, pseudo, 0).images
    rough = [x.diff(dim=3).abs().mean((1, 2, 3)) for x in (images, blurred)]
    assert 0.2 < (rough[1] < 0.9 * rough[0]).float().mean() < 0.8
    assert torch.isclose(rough[0], rough[1], rtol=1e-3).float().mean() > 0.3


def test_nothing_waits():
    mixing = views(weak=STRONG, strong=STRONG)
    inputs = batch()
    with SyncCounter() as counter:
        mixing(*inputs)
    assert dict(counter.counts) == {}


def test_other_channels_move_without_colours():
    targets = PixelTargets.from_labels(torch.randint(0, 4, (2, 8, 8)))
    mixing = AugmentedViews(4, [0.0] * 5, [1.0] * 5, strong=dict(flip=1.0, resize=1.0), num_views=1)
    out = mixing(torch.randn(2, 5, 8, 8), targets[:0], targets, 0)
    assert out.images.shape == (2, 5, 8, 8)
    with pytest.raises(ValueError, match=r'strong.jitter=0.5 needs RGB images, .* 5 channels'):
        AugmentedViews(4, [0.0] * 5, [1.0] * 5, strong=dict(jitter=0.5))


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'num_views': 0}, 'num_views=0'),
        ({'weak': {'flip': 1.5}}, 'flip=1.5'),
        ({'strong': {'scale': (1.5, 0.5)}}, r'scale=\(1.5, 0.5\)'),
        ({'strong': {'sigma': (0, 1)}}, r'sigma=\(0, 1\)'),
    ],
)
def test_arguments_are_checked(kwargs, message):
    with pytest.raises(ValueError, match=message):
        views(**kwargs)


def test_colours_of_bgr_images_change_as_those_of_rgb():
    colors = {'jitter': 1.0, 'brightness': 0.3, 'contrast': 0.3, 'saturation': 0.5, 'hue': 0.2}
    images, labeled, pseudo, number = batch()
    results = []
    for bgr_to_rgb, channels in ((True, images), (False, images.flip(1))):
        torch.manual_seed(0)
        order = 1 if bgr_to_rgb else -1
        normalised = {'mean': [120.0, 110.0, 100.0][::order], 'std': [60.0, 50.0, 40.0][::order]}
        each = AugmentedViews(4, weak=colors, strong=colors, bgr_to_rgb=bgr_to_rgb, **normalised)
        results.append(each(channels, labeled, pseudo, number).images)
    torch.testing.assert_close(results[1].flip(1), results[0], rtol=1e-4, atol=1e-5)
    assert (results[1] - results[0]).abs().max() > 0.1
