import math
from collections import deque

import pytest
import torch
import torch.nn.functional as F
from sync_counter import SyncCounter

from mmseg_contrast.models.memory import ClassMemoryBank, Offer

CLASSES, SIZE, DIM = 3, 5, 4


def candidates(number, seed, share=0.6):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(CLASSES, number, DIM, generator=generator)
    return rows, torch.rand(CLASSES, number, generator=generator) < share


class ListBank:
    """A queue of rows for each class, by loops."""

    def __init__(self):
        self.queues = [deque(maxlen=SIZE) for _ in range(CLASSES)]
        self.updates = 0

    def write(self, rows, mask):
        self.updates += 1
        for queue, row, keep in zip(self.queues, rows, mask):
            queue.extend((r, self.updates) for r, k in zip(row, keep) if k)


def in_order(bank, c):
    """Rows and birthdays of a class, oldest first."""
    count, pointer = int(bank.count[c]), int(bank.pointer[c])
    start = pointer if count == bank.size else 0
    places = [(start + i) % bank.size for i in range(count)]
    return bank.rows[c, places], bank.written[c, places].tolist()


def assert_equals_lists(bank, lists):
    for c, queue in enumerate(lists.queues):
        assert int(bank.count[c]) == len(queue)
        rows, written = in_order(bank, c)
        if queue:
            assert torch.equal(rows, torch.stack([row for row, _ in queue]))
            assert written == [update for _, update in queue]
        assert not bank.rows[c, len(queue) :].any()


@pytest.mark.parametrize('number', [1, 2, 3, SIZE, 2 * SIZE + 1])
def test_is_a_queue_for_each_class(number):
    bank, lists = ClassMemoryBank(CLASSES, SIZE, DIM), ListBank()
    for seed in range(20):
        rows, mask = candidates(number, seed)
        bank.enqueue(rows, mask)
        lists.write(rows, mask)
        assert_equals_lists(bank, lists)
    assert bank.valid.all()
    assert int(bank.updates) == 20


def test_plan_names_each_place_once():
    bank = ClassMemoryBank(CLASSES, SIZE, DIM)
    bank.pointer.copy_(torch.tensor([4, 0, 2]))
    mask = torch.tensor([[0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]]).bool()
    order, place, filled = bank.plan(mask)
    assert filled.sum(1).tolist() == [2, 0, 4]
    assert order[0, :2].tolist() == [1, 3]
    assert place[0].tolist() == [4, 0, 1, 2]
    assert place[2].tolist() == [2, 3, 4, 0]
    assert all(len(set(row)) == 4 for row in place.tolist())


def test_nothing_to_write_changes_nothing_but_the_age():
    bank = ClassMemoryBank(CLASSES, SIZE, DIM)
    rows, mask = candidates(4, 1)
    bank.enqueue(rows, mask)
    before = {name: value.clone() for name, value in bank.named_buffers()}
    bank.enqueue(rows + 1, torch.zeros_like(mask))
    for name, value in bank.named_buffers():
        assert torch.equal(value, before[name]) == (name != 'updates'), name


def test_staged_rows_are_written_once_and_carry_no_gradient():
    bank = ClassMemoryBank(CLASSES, SIZE, DIM)
    bank.commit()
    assert int(bank.updates) == 0
    rows, mask = candidates(2, 3)
    bank.stage(Offer(rows.requires_grad_(), mask))
    assert not bank.rows.any(), 'staging must not touch the bank'
    bank.commit()
    assert bank.count.tolist() == mask.sum(1).tolist()
    assert not bank.rows.requires_grad
    bank.commit()
    assert int(bank.updates) == 1


def test_rows_are_float32_whatever_comes():
    bank = ClassMemoryBank(CLASSES, SIZE, DIM)
    rows, mask = candidates(2, 3)
    bank.enqueue(rows.bfloat16(), mask)
    assert bank.rows.dtype == torch.float32
    rows, mask = rows.bfloat16().float(), mask
    assert torch.equal(bank.rows[0, : int(bank.count[0])], rows[0][mask[0]])


def test_statistics_by_hand():
    bank = ClassMemoryBank(CLASSES, SIZE, 2)
    east, north = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    rows = torch.stack([torch.stack([east, 2 * east, north]), torch.stack([north] * 3)])
    rows = torch.cat([rows, rows[:1]])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0], [0, 0, 0]]).bool()
    bank.enqueue(rows, mask)
    bank.enqueue(rows, mask & (torch.arange(3) == 0))
    stats = bank.statistics()
    assert stats['fill'].item() == pytest.approx(7 / 15)
    assert stats['fill_per_class'].tolist() == pytest.approx([4 / 5, 3 / 5, 0])
    assert stats['age_per_class'].tolist() == pytest.approx([3 / 4, 2 / 3, math.nan], nan_ok=True)
    # one row of class 0 points where class 1 does
    assert stats['purity_per_class'].tolist() == pytest.approx([3 / 4, 1, math.nan], nan_ok=True)


def test_statistics_of_random_rows_against_loops():
    bank = ClassMemoryBank(CLASSES, SIZE, DIM)
    bank.enqueue(*candidates(7, 5, 0.3))
    assert int(bank.count.min()) > 0 and int(bank.count.max()) < 7
    means = [F.normalize(in_order(bank, c)[0], dim=1).mean(0) for c in range(CLASSES)]
    for c in range(CLASSES):
        rows, _ = in_order(bank, c)
        nearest = [
            max(range(CLASSES), key=lambda k: float(F.cosine_similarity(row, means[k], 0)))
            for row in rows
        ]
        expected = sum(k == c for k in nearest) / len(nearest)
        assert bank.statistics()['purity_per_class'][c].item() == pytest.approx(expected)


def test_saved_and_loaded_goes_on_alike():
    bank, other = (ClassMemoryBank(CLASSES, SIZE, DIM) for _ in range(2))
    for seed in range(3):
        bank.enqueue(*candidates(2, seed))
    other.load_state_dict(bank.state_dict())
    for seed in range(3, 6):
        bank.enqueue(*candidates(2, seed))
        other.enqueue(*candidates(2, seed))
    for name, value in bank.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_has_no_host_sync():
    bank = ClassMemoryBank(CLASSES, SIZE, DIM)
    with SyncCounter() as counter:
        bank.stage(Offer(*candidates(2, 3)))
        bank.commit()
        bank.statistics()
    assert dict(counter.counts) == {}
    bank.to('meta')
    bank.enqueue(torch.empty(CLASSES, 2, DIM, device='meta'), bank.valid[:, :2])
    assert bank.statistics()['fill'].device.type == 'meta'


@pytest.mark.parametrize('key', ['num_classes', 'size', 'channels'])
def test_sizes_are_checked(key):
    with pytest.raises(ValueError, match=rf'ClassMemoryBank\({key}=0\) must be at least 1'):
        ClassMemoryBank(**{'num_classes': 2, key: 0})


def fill_on_rank(rank, world_size, folder):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=world_size
    )
    bank = ClassMemoryBank(CLASSES, SIZE, DIM)
    for seed in range(4):
        rows, mask = candidates(6, seed)
        part = slice(3 * rank, 3 * rank + 3)
        bank.stage(Offer(rows[:, part], mask[:, part]))
        bank.commit()
    torch.save(bank.state_dict(), f'{folder}/{rank}.pth')
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason='torch was built without gloo',
)
def test_two_ranks_have_the_bank_of_one(tmp_path):
    torch.multiprocessing.start_processes(
        fill_on_rank, (2, str(tmp_path)), nprocs=2, start_method='fork'
    )
    whole = ClassMemoryBank(CLASSES, SIZE, DIM)
    for seed in range(4):
        whole.enqueue(*candidates(6, seed))
    for rank in range(2):
        state = torch.load(tmp_path / f'{rank}.pth')
        for name, value in whole.state_dict().items():
            assert torch.equal(state[name], value), (rank, name)
