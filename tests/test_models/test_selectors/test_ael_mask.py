import pytest
import torch
import torch.nn.functional as F
from helpers import select
from mmseg.registry import MODELS
from sync_counter import SyncCounter

from mmseg_contrast.models.selectors import AELMask

C = 3


def labelled(seed, size=(7, 9), batch=2):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, C, (batch, *size), generator=generator)
    labels[torch.rand(batch, *size, generator=generator) < 0.2] = 255
    return 3 * torch.randn(batch, C, *size, generator=generator), labels


def mean_true_probability(logits, labels):
    probs = logits.softmax(1)
    rows = [probs[:, c][labels == c] for c in range(C)]
    return [float(row.mean()) if len(row) else None for row in rows]


def test_confidence_is_the_unbiased_average_of_the_steps_with_the_class():
    selector = MODELS.build({'type': 'AELMask', 'num_classes': C, 'momentum': 0.1})
    history = [[] for _ in range(C)]
    for seed in range(12):
        logits, labels = labelled(seed)
        if seed % 2:
            labels[labels == 1] = 255
        labels[labels == 2] = 255
        selector.observe(logits, labels)
        for values, value in zip(history, mean_true_probability(logits, labels)):
            values += [] if value is None else [value]
    for c in (0, 1):
        weights = [0.9**i for i in range(len(history[c]))][::-1]
        expected = sum(w * v for w, v in zip(weights, history[c])) / sum(weights)
        assert float(selector.confidence[c]) == pytest.approx(expected, rel=1e-5)
    assert selector.steps.tolist() == [12, 6, 0]
    assert float(selector.confidence[2]) == 0, 'a class that never occurred'


def test_rate_in_closed_form():
    selector = AELMask(C, beta=2.0)
    assert selector.rate.tolist() == [1, 1, 1]
    selector.steps.fill_(10**6)
    selector.average_doubt.copy_(torch.tensor([0.1, 0.4, 0.8]))
    torch.testing.assert_close(selector.rate, torch.tensor([1 / 64, 1 / 4, 1.0]))
    selector.average_doubt.fill_(0.0)
    assert selector.rate.tolist() == [1, 1, 1], 'no class is worse than another'
    assert AELMask(C, beta=0.0).rate.tolist() == [1, 1, 1]


def test_sure_classes_are_told_apart():
    # Confidences 1 - 2e-9 and 1 - 1e-9, which are 1 in float32: the second has half the rate.
    selector = AELMask(C, momentum=1.0)
    labels = torch.tensor([[[0, 1]]])
    doubt = torch.tensor([2e-9, 1e-9], dtype=torch.float64)
    logits = torch.zeros(1, C, 1, 2)
    logits[0, 0, 0, 0], logits[0, 1, 0, 1] = (torch.log(2 * (1 - doubt) / doubt)).float()
    selector.observe(logits, labels)
    assert selector.confidence[:2].tolist() == [1, 1]
    torch.testing.assert_close(selector.doubt[:2], doubt.float(), rtol=1e-5, atol=0)
    selector.steps[2], selector.average_doubt[2] = 1, 0
    torch.testing.assert_close(selector.rate, torch.tensor([1, 0.5, 0]), rtol=1e-5, atol=0)


def test_keeps_confident_pixels_of_each_class_at_its_rate():
    selector = AELMask(C, threshold=0.7)
    selector.steps.fill_(10**6)
    selector.average_doubt.copy_(torch.tensor([0.1, 0.4, 0.8]))
    size = (200, 200)
    labels = torch.randint(0, C, (2, *size))
    confidence = torch.where(torch.rand(2, *size) < 0.5, 0.8, 0.6)
    probs = F.one_hot(labels, C).movedim(-1, 1) * confidence[:, None]
    probs = probs + (1 - F.one_hot(labels, C).movedim(-1, 1)) * (1 - confidence[:, None]) / 2
    valid = torch.rand(2, *size) < 0.9
    weight, stats = select(selector, probs, valid)
    assert not weight[~valid].any() and not weight[confidence < 0.7].any()
    for c, rate in enumerate((0.125, 0.5, 1.0)):
        share = weight[(labels == c) & valid & (confidence > 0.7)].mean()
        assert float(share) == pytest.approx(rate, abs=0.02)
    torch.testing.assert_close(stats['rate_per_class'], torch.tensor([0.125, 0.5, 1.0]))


def test_nothing_labelled_changes_nothing():
    selector = AELMask(C)
    selector.observe(*labelled(0))
    before = {k: v.clone() for k, v in selector.state_dict().items()}
    logits, labels = labelled(1)
    selector.observe(logits, torch.full_like(labels, 255))
    assert all(torch.equal(v, before[k]) for k, v in selector.state_dict().items())


def test_confidences_are_in_the_checkpoint():
    selector, resumed = AELMask(C), AELMask(C)
    selector.observe(*labelled(0))
    resumed.load_state_dict(selector.state_dict())
    for part in (selector, resumed):
        part.observe(*labelled(1))
    assert torch.equal(selector.confidence, resumed.confidence)


def test_no_host_sync_and_no_data():
    selector = AELMask(C, threshold=0.5)
    logits, labels = labelled(0)
    with SyncCounter() as counter:
        selector.observe(logits, labels)
        select(selector, logits.softmax(1), labels != 255)
    assert dict(counter.counts) == {}
    selector.to('meta')
    selector.observe(logits.to('meta'), labels.to('meta'))
    weight, _ = select(selector, logits.to('meta'), (labels != 255).to('meta'))
    assert weight.shape == labels.shape


@pytest.mark.parametrize(
    'kwargs', [{'threshold': 1.5}, {'beta': -1}, {'momentum': 0.0}, {'momentum': 1.5}]
)
def test_arguments_out_of_range_are_named(kwargs):
    ((key, value),) = kwargs.items()
    with pytest.raises(ValueError, match=f'{key}={value}'):
        AELMask(C, **kwargs)
