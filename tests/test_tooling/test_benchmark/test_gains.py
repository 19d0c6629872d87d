"""Gains and their intervals against loops with the same draws, and cases that are known."""

import numpy as np
import pytest
from made_up_results import benchmark, counts_of, write

from mmseg_contrast.tooling.benchmark.counts import iou_of, mean_iou
from mmseg_contrast.tooling.benchmark.gains import gain_of, resampled_gains
from mmseg_contrast.tooling.benchmark.tables import read_results


def areas(*shares, num_images=6):
    return np.stack(
        [counts_of(right, num_images, seed).areas() for seed, right in enumerate(shares)]
    )


def naive(method, baseline, resamples, seed):
    rng = np.random.default_rng(seed)
    images = rng.integers(method.shape[1], size=(resamples, method.shape[1]))
    seeds = rng.integers(method.shape[0], size=(resamples, method.shape[0]))
    found = []
    for r in range(resamples):
        differences = []
        for s in seeds[r]:
            scores = []
            for each in (method, baseline):
                total = sum(each[s, i] for i in images[r])
                right, predicted, true = total
                ious = [
                    100 * right[c] / (predicted[c] + true[c] - right[c])
                    for c in range(3)
                    if predicted[c] + true[c] > 0
                ]
                scores.append(sum(ious) / len(ious))
            differences.append(scores[0] - scores[1])
        found.append(sum(differences) / len(differences))
    return found


def test_resamples_are_those_of_a_loop_with_the_same_draws():
    method, baseline = areas(0.8, 0.6, 0.7), areas(0.5, 0.6, 0.4)
    # a class that some images lack, and so some draws
    method[:, 1:, :, 2] = baseline[:, 1:, :, 2] = 0
    found = resampled_gains(method, baseline, resamples=40, seed=3)
    np.testing.assert_allclose(found, naive(method, baseline, 40, 3), rtol=1e-10)


def test_the_same_net_gains_nothing_in_any_draw():
    each = areas(0.5, 0.7)
    assert np.abs(resampled_gains(each, each)).max() == 0


def test_of_equal_images_and_seeds_all_draws_are_the_gain():
    method, baseline = (np.repeat(areas(share)[:, :1], 4, 1) for share in (0.8, 0.6))
    expected = mean_iou(method[0, 0]) - mean_iou(baseline[0, 0])
    np.testing.assert_allclose(resampled_gains(method, baseline, 50), expected)


def test_the_interval_grows_with_the_spread_of_the_seeds():
    baseline = areas(0.5, 0.5, 0.5)
    alike, unlike = (
        np.ptp(resampled_gains(areas(*shares), baseline))
        for shares in ((0.7, 0.7, 0.7), (0.5, 0.7, 0.9))
    )
    assert unlike > 3 * alike


def test_a_gain_is_paired_by_seed(tmp_path):
    for seed, (ours, theirs) in enumerate([(0.9, 0.5), (0.7, 0.6)]):
        write(tmp_path, 'new', seed, 0.1, teacher=ours)
        write(tmp_path, 'labels-alone', seed, theirs)
    write(tmp_path, 'labels-alone', 2, 0.99)
    results = read_results(benchmark(), tmp_path)
    new = [r for r in results if r['method'] == 'new']
    old = [r for r in results if r['method'] == 'labels-alone']
    gain = gain_of(new, old)
    assert gain.seeds == [0, 1]
    # of the teacher, with which the config predicts
    expected = [new[s]['teacher']['last'] - old[s]['student']['last'] for s in range(2)]
    assert gain.mean == pytest.approx(np.mean(expected), abs=1e-3)
    assert gain.low < gain.mean < gain.high
    pairs = [
        iou_of(new[s].counts['teacher'].areas().sum(0))
        - iou_of(old[s].counts['student'].areas().sum(0))
        for s in range(2)
    ]
    np.testing.assert_allclose(gain.classes, np.mean(pairs, 0))
    draws = resampled_gains(
        np.stack([r.counts['teacher'].areas() for r in new]),
        np.stack([r.counts['student'].areas() for r in old[:2]]),
    )
    assert (gain.low, gain.high) == pytest.approx(tuple(np.percentile(draws, [2.5, 97.5])))


def test_without_a_common_seed_there_is_no_gain(tmp_path):
    write(tmp_path, 'new', 0, 0.9)
    write(tmp_path, 'labels-alone', 1, 0.5)
    old, new = read_results(benchmark(), tmp_path)
    assert gain_of([new], [old]) is None
    assert gain_of([new], []) is None
