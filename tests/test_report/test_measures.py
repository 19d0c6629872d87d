import numpy as np
import pytest

from mmseg_contrast.report.measures import (
    NUM_BINS,
    bins_of,
    calibration_error,
    confusion_of,
    iou_of,
    last_mean,
    mean_percent,
    passes_over,
    precision_of,
    recall_of,
    separation_of,
    shares_of,
)

C = 4


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, C, (9, 11))
    truth[rng.random(truth.shape) < 0.2] = 255
    return truth, rng.integers(0, C - 1, truth.shape)  # nothing is labelled as the last class


def pixels(truth, labels, t, p):
    return sum(1 for a, b in zip(truth.ravel(), labels.ravel()) if (a, b) == (t, p))


def test_confusion_is_a_count_of_pairs(maps):
    expected = [[pixels(*maps, t, p) for p in range(C)] for t in range(C)]
    assert confusion_of(*maps, C).tolist() == expected
    assert confusion_of(*maps, C).dtype == np.int64


def test_confusion_with_weights_adds_them_up(maps):
    weight = np.random.default_rng(1).random(maps[0].shape)
    counts = confusion_of(*maps, C, weight)
    for t in range(C):
        for p in range(C):
            own = [
                w for a, b, w in zip(*(m.ravel() for m in maps), weight.ravel()) if (a, b) == (t, p)
            ]
            assert counts[t, p] == pytest.approx(sum(own))


def test_iou_precision_recall_and_shares_by_sets(maps):
    truth, labels = maps
    confusion = confusion_of(truth, labels, C)
    known = truth != 255
    for c in range(C):
        has, said = (truth == c) & known, (labels == c) & known
        both = (has & said).sum()
        assert iou_of(confusion)[c] == pytest.approx(both / (has | said).sum())
        assert recall_of(confusion)[c] == pytest.approx(both / has.sum())
        assert recall_of(confusion, np.full(C, 50.0))[c] == pytest.approx(both / 50)
        if said.any():
            assert precision_of(confusion)[c] == pytest.approx(both / said.sum())
        assert shares_of(confusion.sum(1))[c] == pytest.approx(has.sum() / known.sum())
    assert np.isnan(precision_of(confusion)[-1])


def test_a_class_that_nobody_has_is_not_in_the_mean():
    iou = iou_of(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]))
    assert iou[:2].tolist() == [0.75, 0.8] and np.isnan(iou[2])
    assert mean_percent(iou) == pytest.approx(77.5)
    assert mean_percent(np.array([np.nan])) is None


def test_calibration_error_against_a_loop():
    rng = np.random.default_rng(0)
    confidence = np.concatenate([rng.random(500), [0.0, 1.0, 1 / NUM_BINS]])
    correct = rng.random(confidence.shape) < confidence**2
    bins = bins_of(confidence, correct)
    expected, n = 0.0, len(confidence)
    for b in range(NUM_BINS):
        low, high = b / NUM_BINS, (b + 1) / NUM_BINS
        own = [
            (c, r)
            for c, r in zip(confidence, correct)
            if low <= c < high or (b == NUM_BINS - 1 and c == 1)
        ]
        if own:
            conf, acc = np.mean([c for c, _ in own]), np.mean([r for _, r in own])
            expected += len(own) / n * abs(acc - conf)
        assert bins[0, b] == len(own)
    assert calibration_error(bins) == pytest.approx(expected)
    assert np.isnan(calibration_error(np.zeros((3, NUM_BINS))))


def test_calibration_error_by_hand():
    # ten predictions of 0.9, of which five are right; two of 0.3, of which none is
    bins = bins_of(np.array([0.9] * 10 + [0.3] * 2), np.array([True] * 5 + [False] * 7))
    assert calibration_error(bins) == pytest.approx((10 * 0.4 + 2 * 0.3) / 12)


def test_separation_against_all_pairs():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(12, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = np.array([0] * 5 + [1] * 4 + [3] * 3)
    sums = np.stack([vectors[labels == c].sum(0) for c in range(C)])
    within, between = separation_of(sums, np.bincount(labels, minlength=C))
    cosines = vectors @ vectors.T

    def mean_cosine(c, d):
        return cosines[np.ix_(labels == c, labels == d)].mean()

    assert np.isnan(within[2])
    for c in (0, 1, 3):
        assert within[c] == pytest.approx(mean_cosine(c, c))
    pairs = [mean_cosine(c, d) for c in (0, 1, 3) for d in (0, 1, 3) if c != d]
    assert between == pytest.approx(np.mean(pairs))
    assert np.isnan(separation_of(sums[:1], np.array([5]))[1])


def test_passes_and_the_mean_of_the_end():
    assert passes_over(images=50, per_step=4, steps=100) == 8
    assert last_mean([9, 9, 1, 3], 0.5) == 2
    assert last_mean([9, 1], 0.1) == 1
