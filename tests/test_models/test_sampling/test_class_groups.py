import pytest
import torch
from sync_counter import SyncCounter

from mmseg_contrast.models.sampling.class_groups import class_blocks, rows_by_class, top_per_class

C = 4


def labels_of(number, seed=0):
    labels = torch.randint(0, C, (number,), generator=torch.Generator().manual_seed(seed))
    labels[::5] = 255
    return labels.masked_fill(labels == 2, 1)  # class 2 is absent


@pytest.mark.parametrize('number', [1, 3, 50])
def test_top_per_class_equals_a_loop(number):
    labels, scores = labels_of(60), torch.rand(60)
    index, mask = top_per_class(labels, scores, C, number)
    for c in range(C):
        ids = (labels == c).nonzero().flatten().tolist()
        best = sorted(ids, key=lambda i: -float(scores[i]))[:number]
        assert mask[c].tolist() == [k < len(best) for k in range(number)]
        assert index[c, : len(best)].tolist() == best


@pytest.mark.parametrize('size', [1, 4, 64])
@pytest.mark.parametrize('number', [1, 7, 60])
def test_blocks_hold_each_row_once(size, number):
    labels = labels_of(number)
    index, mask, classes, place = class_blocks(labels, C, size)
    assert index.shape == mask.shape == (-(-number // size) + C, size)
    assert sorted(index[mask].tolist()) == (labels != 255).nonzero().flatten().tolist()
    assert torch.equal(labels[index][mask], classes.unsqueeze(1).expand_as(index)[mask])
    for i, c in enumerate(labels.tolist()):
        if c == 255:
            assert place[i] == index.numel()
        else:
            assert index.flatten()[place[i]] == i


@pytest.mark.parametrize('number', [0, 1, 60])
def test_rows_by_class(number):
    labels = labels_of(number)
    groups = rows_by_class(labels, C)
    assert [g.tolist() for g in groups] == [
        (labels == c).nonzero().flatten().tolist() for c in range(C)
    ]


def test_no_row_at_all():
    labels = torch.full((9,), 255)
    assert not top_per_class(labels, torch.rand(9), C, 3)[1].any()
    _, mask, classes, place = class_blocks(labels, C, 4)
    assert not mask.any() and (place == mask.numel()).all()
    assert classes.max() < C


def test_nothing_waits():
    with SyncCounter() as counter:
        top_per_class(labels_of(30), torch.rand(30), C, 3)
        class_blocks(labels_of(30), C, 4)
    # the helper of this test writes labels by strides alone
    assert dict(counter.counts) == {}
    labels = torch.empty(30, dtype=torch.long, device='meta')
    assert top_per_class(labels, labels.float(), C, 3)[0].shape == (C, 3)
    assert class_blocks(labels, C, 4)[0].shape == (8 + C, 4)
