import pytest
import torch
from mmseg.registry import MODELS
from sync_counter import SyncCounter

from mmseg_contrast.structures import PixelTargets

SIZE = (64, 96)


def mix(num_labeled, num_unlabeled, size=SIZE, **options):
    """Images, labels and weights hold the index of their image, which tells where a pixel came from."""
    images = torch.arange(float(num_labeled + num_unlabeled)).view(-1, 1, 1, 1)
    images = images.expand(-1, 3, *size)

    def targets(part):
        index = part[:, 0]
        return PixelTargets(index.long(), index / 100)

    labeled, pseudo = targets(images[:num_labeled]), targets(images[num_labeled:])
    mixing = MODELS.build({'type': 'RingCutMix', **options})
    return mixing(images, labeled, pseudo, num_labeled), labeled


@pytest.mark.parametrize('num_labeled', [0, 2])
def test_each_image_takes_one_box_from_the_next(num_labeled):
    mixed, labeled = mix(num_labeled, 3)
    assert mixed.moved and mixed.labeled is labeled
    own = mixed.images[:num_labeled]
    assert torch.equal(own, torch.arange(float(num_labeled)).view(-1, 1, 1, 1).expand_as(own))
    areas = []
    for i, image in enumerate(mixed.images[num_labeled:, 0] - num_labeled):
        box = image == (i + 1) % 3
        assert ((image == i) | box).all()
        rows, columns = box.any(1), box.any(0)
        assert torch.equal(box, rows[:, None] & columns)
        areas.append(box)
    assert not torch.equal(areas[0], areas[1]), 'each image has a box of its own'
    source = mixed.images[num_labeled:, 0]
    assert torch.equal(mixed.pseudo.labels, source.long())
    assert torch.equal(mixed.pseudo.weight, source / 100)
    output = torch.randn(num_labeled + 3, 5, 8, 12)
    assert torch.equal(mixed.align(output), output)


def test_width_is_uniform_and_area_fixed():
    torch.manual_seed(1)
    mixed, _ = mix(0, 500, size=(200, 200), area=0.5)
    boxes = mixed.images[:, 0] != torch.arange(500.0).view(-1, 1, 1)
    widths = boxes.any(1).sum(1) / 200
    # The sides are rounded to whole pixels.
    assert float((boxes.float().mean((1, 2)) - 0.5).abs().max()) < 0.5 / 100 + 0.001
    assert 0.5 <= float(widths.min()) < 0.51 and 0.99 < float(widths.max()) <= 1
    quarters = torch.histc(widths, 4, 0.5, 1.0) / 500
    assert float((quarters - 0.25).abs().max()) < 4 * (0.25 * 0.75 / 500) ** 0.5


def test_one_image_alone_stays_as_it_is():
    mixed, _ = mix(1, 1)
    assert (mixed.images[1] == 1).all()


def test_reads_nothing_back_to_the_host():
    with SyncCounter() as counter:
        mix(2, 2)
    assert counter.total == 0, counter.counts


@pytest.mark.parametrize('area', [0, 1.5])
def test_an_area_out_of_its_range_is_named(area):
    with pytest.raises(ValueError, match=f'area={area}'):
        MODELS.build({'type': 'RingCutMix', 'area': area})
