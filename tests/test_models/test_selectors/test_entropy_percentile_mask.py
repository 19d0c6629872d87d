import pytest
import torch
from helpers import set_iter
from mmengine.logging import MessageHub
from mmseg.registry import MODELS
from sync_counter import SyncCounter

from mmseg_contrast.models.selectors import EntropyPercentileMask

C = 4


def random_probs(size=(41, 37)):
    probs = (3 * torch.randn(2, C, *size)).softmax(1)
    return probs, torch.rand(2, *size) < 0.8


def entropy(probs):
    return -(probs * probs.log()).sum(1)


@pytest.mark.parametrize('drop', [20.0, 50.0, 80.0])
def test_keeps_the_percentile_of_low_entropy(drop):
    probs, valid = random_probs()
    selector = MODELS.build({'type': 'EntropyPercentileMask', 'drop': drop})
    weight, stats = selector(probs, valid)
    exact = torch.quantile(entropy(probs)[valid], drop / 100)
    threshold = stats['entropy_threshold'] * torch.tensor(float(C)).log()
    assert float(threshold) == pytest.approx(float(exact), abs=3e-3)
    assert not weight[~valid].any()
    assert float(weight[valid].mean()) == pytest.approx(drop / 100, abs=0.005)
    kept, dropped = entropy(probs)[weight > 0], entropy(probs)[valid & (weight == 0)]
    assert float(kept.max()) <= float(dropped.min()) + 1e-3


@pytest.mark.parametrize('margin', [2.0, 9.0, 14.0, 22.0])
@pytest.mark.parametrize('drop', [40.0, 80.0])
def test_keeps_the_percentile_of_a_sure_net(drop, margin):
    probs, valid = random_probs((101, 97))
    logits = torch.zeros_like(probs)
    logits[:, 0] = margin + 3 * torch.randn_like(probs[:, 0])
    weight, _ = EntropyPercentileMask(drop)(logits.softmax(1), valid)
    assert float(weight[valid].mean()) == pytest.approx(drop / 100, abs=0.002)
    probs = logits.double().softmax(1)
    kept, dropped = entropy(probs)[weight > 0], entropy(probs)[valid & (weight == 0)]
    assert float(kept.max()) <= float(dropped.min()) * (1 + 1e-4)


def test_the_share_grows_to_all_pixels():
    probs, valid = random_probs()
    selector = EntropyPercentileMask(drop=80)
    MessageHub.get_current_instance().update_info('max_iters', 200)
    for iteration, share in ((0, 0.8), (50, 0.85), (100, 0.9), (200, 1.0)):
        set_iter(iteration)
        weight, _ = selector(probs, valid)
        assert float(weight[valid].mean()) == pytest.approx(share, abs=0.01)


def test_extremes_are_kept_or_valid():
    sure = torch.eye(C)[:, torch.randint(0, C, (2, 5, 5))].movedim(0, 1)
    valid = torch.ones(2, 5, 5, dtype=torch.bool)
    assert EntropyPercentileMask(50)(sure, valid)[0].all(), 'equal entropies are kept together'
    unsure = torch.full((2, C, 5, 5), 1 / C)
    assert EntropyPercentileMask(50)(unsure, valid)[0].all()
    assert EntropyPercentileMask(100)(random_probs((5, 5))[0], valid)[0].all()
    weight, _ = EntropyPercentileMask(50)(unsure, ~valid)
    assert not weight.any()


def test_no_host_sync_and_no_data():
    selector = EntropyPercentileMask()
    probs, valid = random_probs()
    with SyncCounter() as counter:
        selector(probs, valid)
    assert dict(counter.counts) == {}
    assert selector(probs.to('meta'), valid.to('meta'))[0].shape == valid.shape


@pytest.mark.parametrize('drop', [0, -5, 101])
def test_drop_out_of_range_is_named(drop):
    with pytest.raises(ValueError, match=f'drop={drop}'):
        EntropyPercentileMask(drop)
