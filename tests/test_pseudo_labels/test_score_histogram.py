import bisect
import json

import pytest
import torch
from helpers import sure_logits

from mmseg_contrast.pseudo_labels import (
    ScoreHistogram,
    balanced_thresholds,
    bin_ends,
    class_scores,
    count_scores,
    select_labels,
)

CLASSES = 4


@pytest.fixture
def scores():
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(CLASSES - 1, 20, 30, generator=generator)
    # the last class is never the best
    return torch.cat([logits, torch.full((1, 20, 30), -20.0)]).softmax(0)


def test_counts_are_those_of_a_loop(scores):
    expected = torch.zeros(CLASSES, len(bin_ends()), dtype=torch.long)
    ends = bin_ends().tolist()
    for pixel in scores.flatten(1).T:
        doubt = pixel.double().sort().values[:-1].sum().item()
        expected[pixel.argmax(), bisect.bisect_right(ends, doubt)] += 1
    counts = count_scores(scores)
    assert (counts - expected).abs().sum() <= 4, 'but for what lies on an end'
    assert counts.sum(1).equal(expected.sum(1))


def test_bins_are_a_share_of_their_doubt():
    ends = bin_ends()
    assert ends[-1] == 1 and ends[0] < 1e-12
    assert ((ends[1:] - ends[:-1]) / ends[1:]).max() <= 2**-9


def test_scores_of_one_and_of_nothing_fall_into_the_outer_bins():
    counts = count_scores(torch.tensor([[[1.0, 0.5]], [[0.0, 0.5]]]))
    assert counts[0].nonzero().flatten().tolist() == [0, len(bin_ends()) - 2**9]
    assert counts.sum() == 2


@pytest.mark.parametrize('keep_ratio', [0.01, 0.3, 0.5, 0.99, 1.0])
@pytest.mark.parametrize('margin', [0, 8, 16])
def test_the_next_threshold_would_keep_too_few(scores, keep_ratio, margin):
    logits = scores.log()
    logits[0] += margin
    counts = count_scores(logits.softmax(0))
    thresholds = balanced_thresholds(counts, keep_ratio)
    others = logits.double().softmax(0).sort(0).values[:-1].sum(0)
    classes = logits.argmax(0)
    for c in range(CLASSES - 1):
        own, most = others[classes == c], 1 - thresholds[c]
        if len(own):
            assert (own < most).double().mean() >= keep_ratio - 0.005
            assert (own < most * (1 - 2**-8)).double().mean() < keep_ratio
    assert thresholds[-1] == 0, 'nothing was predicted as it'


def test_one_pixel_counts_in_a_large_data_set():
    half, bins = 2**25 + 4, len(bin_ends())
    counts = torch.zeros(1, bins, dtype=torch.long)
    counts[0, 7000], counts[0, 9000] = (
        half + 1,
        half - 1,
    )  # float32 does not tell half - 1 from half
    assert balanced_thresholds(counts, 0.5) == 1 - bin_ends()[7000].double()
    counts[0, 7000], counts[0, 9000] = half - 1, half + 1
    assert balanced_thresholds(counts, 0.5) == 1 - bin_ends()[9000].double()


@pytest.mark.parametrize('keep_ratio', [0.4, 0.6, 0.8])
@pytest.mark.parametrize('margin', [2, 8, 14])
def test_masks_of_a_sure_net_have_the_stated_share(margin, keep_ratio):
    logits = sure_logits(margin)[0]
    counts = count_scores(class_scores(logits))
    # as they are written and read again
    thresholds = json.loads(json.dumps(balanced_thresholds(counts, keep_ratio).tolist()))
    thresholds = torch.tensor(thresholds, dtype=torch.float64)
    labels, classes = select_labels(class_scores(logits), thresholds)
    for c in range(1, 4):
        kept = float((labels == c).sum() / (classes == c).sum())
        assert kept == pytest.approx(keep_ratio, abs=0.01)


def test_a_class_that_is_never_sure_keeps_its_share(scores):
    unsure = scores.clone()
    unsure[0] *= 0.5
    unsure[-1] += 1 - unsure.sum(0)
    counts = count_scores(unsure)
    labels, classes = select_labels(unsure, balanced_thresholds(counts, 0.5).float())
    for c in range(CLASSES - 1):
        kept = (labels == c).sum() / (classes == c).sum()
        assert kept == pytest.approx(0.5, abs=0.01)
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
    assert list(found.values()) == pytest.approx(expected.tolist())
    # the next evaluation begins anew
    assert list(meter.evaluate(0).values()) == [0] * CLASSES
