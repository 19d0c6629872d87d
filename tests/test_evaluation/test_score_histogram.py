import pytest
import torch

from mmseg_contrast.evaluation import (
    ScoreHistogram,
    balanced_thresholds,
    count_scores,
    select_labels,
)

CLASSES, BINS = 4, 50


@pytest.fixture
def scores():
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(CLASSES - 1, 20, 30, generator=generator)
    # the last class is never the best
    return torch.cat([logits, torch.full((1, 20, 30), -20.0)]).softmax(0)


def test_counts_are_those_of_a_loop(scores):
    expected = torch.zeros(CLASSES, BINS, dtype=torch.long)
    for pixel in scores.flatten(1).T:
        best, c = pixel.max(0)
        inside = [b for b in range(BINS) if b / BINS < best.item() <= (b + 1) / BINS]
        expected[c, inside] += 1
    assert count_scores(scores, BINS).equal(expected)
    assert expected.sum() == scores[0].numel()


def test_scores_of_one_and_of_nothing_fall_into_the_outer_bins():
    counts = count_scores(torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]]]), BINS)
    assert counts[0].nonzero().flatten().tolist() == [0, BINS - 1]
    assert counts.sum() == 2


@pytest.mark.parametrize('keep_ratio', [0.01, 0.3, 0.5, 0.99, 1.0])
def test_the_next_threshold_would_keep_too_few(scores, keep_ratio):
    thresholds = balanced_thresholds(count_scores(scores, BINS), keep_ratio)
    best, classes = scores.max(0)
    for c in range(CLASSES - 1):
        own = best[classes == c]
        assert (own > thresholds[c]).double().mean() >= keep_ratio
        assert (own > thresholds[c] + 1 / BINS).double().mean() < keep_ratio
    assert thresholds[-1] == 0, 'nothing was predicted as it'


def test_one_pixel_counts_in_a_large_data_set():
    half = 2**25 + 4
    counts = torch.zeros(1, BINS, dtype=torch.long)
    counts[0, 7], counts[0, 9] = half + 1, half - 1  # float32 does not tell half - 1 from half
    assert balanced_thresholds(counts, 0.5) == 7 / BINS
    assert balanced_thresholds(counts.flip(1), 0.5) == (BINS - 8) / BINS


def test_a_class_that_is_never_sure_keeps_its_share(scores):
    unsure = scores.clone()
    unsure[0] *= 0.5
    counts = count_scores(unsure, BINS)
    labels, classes = select_labels(unsure, balanced_thresholds(counts, 0.5).float())
    for c in range(CLASSES - 1):
        kept = (labels == c).sum() / (classes == c).sum()
        assert kept == pytest.approx(0.5, abs=0.15)
    # one threshold for all leaves nothing of it
    assert (unsure.max(0).values[classes == 0] <= 0.5).all()


def test_the_metric_adds_up_its_images(scores):
    logits = scores.log()
    meter = ScoreHistogram('abcd', keep_ratio=0.5)
    halves = logits[:, :7], logits[:, 7:]
    for half in halves:
        meter.process({}, [{'seg_logits': {'data': half}}])
    found = meter.evaluate(len(halves))
    expected = balanced_thresholds(count_scores(scores), 0.5)
    assert list(found) == [f'threshold/{name}' for name in 'abcd']
    assert list(found.values()) == pytest.approx(expected.tolist(), abs=0.00101)
    # the next evaluation begins anew
    assert list(meter.evaluate(0).values()) == [0] * CLASSES
