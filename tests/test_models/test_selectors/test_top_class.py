import pytest
import torch
from sync_counter import SyncCounter

from mmseg_contrast.models.selectors.top_class import CHUNK, top_class


@pytest.mark.parametrize('classes', [2, 5, 21])
@pytest.mark.parametrize('size', [(1, 1), (7, 9), (3, CHUNK // 2)])
def test_equals_max(classes, size):
    logits = 4 * torch.randn(2, classes, *size)
    logits = logits.round() if size == (7, 9) else logits  # with ties
    probs = logits.softmax(1)
    labels, confidence, doubt = top_class(probs)
    expected = probs.max(1)
    assert torch.equal(confidence, expected.values)
    assert torch.equal(labels, expected.indices)
    exact = logits.double().softmax(1).sort(1).values[:, :-1].sum(1)
    torch.testing.assert_close(doubt.double(), exact, rtol=1e-5, atol=0)


@pytest.mark.parametrize('margin', [10.0, 16.0, 30.0, 60.0])
def test_doubt_is_precise_where_the_confidence_is_one(margin):
    logits = torch.zeros(1, 4, 1, 1)
    logits[0, 2] = margin
    labels, confidence, doubt = top_class(logits.softmax(1))
    assert int(labels) == 2
    assert float(confidence) == pytest.approx(1, abs=2e-4)
    rest = 3 * torch.tensor(-margin).double().exp()
    assert float(doubt) == pytest.approx(float(rest / (1 + rest)), rel=1e-5)


def test_any_layout_and_dtype():
    probs = torch.randn(2, 5, 6, 7).softmax(1)
    for other in (probs.to(memory_format=torch.channels_last), probs.double()):
        for found, expected in zip(top_class(other), top_class(probs)):
            assert torch.equal(found, expected)


def test_the_form_of_other_devices_gives_the_same(monkeypatch):
    probs = (5 * torch.randn(2, 5, 6, 7)).softmax(1)
    expected = top_class(probs)
    monkeypatch.setattr(torch.compiler, 'is_compiling', lambda: True)
    labels, confidence, doubt = top_class(probs)
    assert torch.equal(labels, expected.labels)
    assert torch.equal(confidence, expected.confidence)
    torch.testing.assert_close(doubt, expected.doubt, rtol=1e-6, atol=0)


def test_no_host_sync_and_no_data():
    probs = torch.randn(2, 5, 6, 7).softmax(1)
    with SyncCounter() as counter:
        top_class(probs)
    assert dict(counter.counts) == {}
    assert [x.shape for x in top_class(probs.to('meta'))] == [(2, 6, 7)] * 3
