import pytest
import torch
from helpers import select, set_iter
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


@pytest.mark.parametrize('keep_ratio', [0.2, 0.5, 0.8])
def test_keeps_the_percentile_of_low_entropy(keep_ratio):
    probs, valid = random_probs()
    selector = MODELS.build({'type': 'EntropyPercentileMask', 'keep_ratio': keep_ratio})
    weight, stats = select(selector, probs, valid)
    exact = torch.quantile(entropy(probs)[valid], keep_ratio)
    threshold = stats['entropy_threshold'] * torch.tensor(float(C)).log()
    assert float(threshold) == pytest.approx(float(exact), abs=3e-3)
    assert not weight[~valid].any()
    assert float(weight[valid].mean()) == pytest.approx(keep_ratio, abs=0.005)
    kept, dropped = entropy(probs)[weight > 0], entropy(probs)[valid & (weight == 0)]
    assert float(kept.max()) <= float(dropped.min()) + 1e-3


@pytest.mark.parametrize('margin', [2.0, 9.0, 14.0, 22.0])
@pytest.mark.parametrize('keep_ratio', [0.4, 0.8])
def test_keeps_the_percentile_of_a_sure_net(keep_ratio, margin):
    probs, valid = random_probs((101, 97))
    logits = torch.zeros_like(probs)
    logits[:, 0] = margin + 3 * torch.randn_like(probs[:, 0])
    weight, _ = select(EntropyPercentileMask(keep_ratio), logits.softmax(1), valid)
    assert float(weight[valid].mean()) == pytest.approx(keep_ratio, abs=0.002)
    probs = logits.double().softmax(1)
    kept, dropped = entropy(probs)[weight > 0], entropy(probs)[valid & (weight == 0)]
    assert float(kept.max()) <= float(dropped.min()) * (1 + 1e-4)


def test_the_share_grows_to_all_pixels():
    probs, valid = random_probs()
    selector = EntropyPercentileMask(keep_ratio=0.8)
    MessageHub.get_current_instance().update_info('max_iters', 200)
    for iteration, share in ((0, 0.8), (50, 0.85), (100, 0.9), (200, 1.0)):
        set_iter(iteration)
        weight, _ = select(selector, probs, valid)
        assert float(weight[valid].mean()) == pytest.approx(share, abs=0.01)


def test_extremes_are_kept_or_valid():
    sure = torch.eye(C)[:, torch.randint(0, C, (2, 5, 5))].movedim(0, 1)
    valid = torch.ones(2, 5, 5, dtype=torch.bool)
    assert select(EntropyPercentileMask(0.5), sure, valid)[0].all(), (
        'equal entropies are kept together'
    )
    unsure = torch.full((2, C, 5, 5), 1 / C)
    assert select(EntropyPercentileMask(0.5), unsure, valid)[0].all()
    assert select(EntropyPercentileMask(1), random_probs((5, 5))[0], valid)[0].all()
    weight, _ = select(EntropyPercentileMask(0.5), unsure, ~valid)
    assert not weight.any()


def test_no_host_sync_and_no_data():
    selector = EntropyPercentileMask()
    probs, valid = random_probs()
    with SyncCounter() as counter:
        select(selector, probs, valid)
    assert dict(counter.counts) == {}
    assert select(selector, probs.to('meta'), valid.to('meta'))[0].shape == valid.shape


@pytest.mark.parametrize('keep_ratio', [0, -0.5, 80])
def test_keep_ratio_out_of_range_is_named(keep_ratio):
    with pytest.raises(ValueError, match=f'keep_ratio={keep_ratio}'):
        EntropyPercentileMask(keep_ratio)
