"""Confusion counts and IoU against those of MMSegmentation and closed cases."""

import numpy as np
import torch
from mmseg.evaluation import IoUMetric

from mmseg_contrast.report.measures import confusion_of
from mmseg_contrast.tooling.benchmark.counts import (
    ConfusionCounts,
    iou_of,
    load_counts,
    mean_iou,
    save_counts,
)

C = 4


def random_images(number=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    truths = torch.randint(0, C - 1, (number, 7, 5), generator=generator)
    truths[torch.rand(truths.shape, generator=generator) < 0.2] = 255
    return truths, 3 * torch.randn(number, C, 7, 5, generator=generator)


def counts_of(truths, predicted):
    pairs = zip(truths.numpy(), predicted.numpy())
    return ConfusionCounts.of([confusion_of(truth, each, C) for truth, each in pairs])


def test_iou_is_that_of_mmseg():
    truths, logits = random_images()
    predicted = logits.argmax(1)
    areas = counts_of(truths, predicted).areas()
    metric = IoUMetric(iou_metrics=['mIoU'])
    metric.dataset_meta = {'classes': list('abcd')}
    metric.results = [
        IoUMetric.intersect_and_union(p, t, C, 255) for p, t in zip(predicted, truths)
    ]
    assert round(float(mean_iou(areas.sum(0))), 2) == metric.compute_metrics(metric.results)['mIoU']
    for index, (inter, _, pred, label) in enumerate(metric.results):
        assert areas[index].tolist() == [inter.tolist(), pred.tolist(), label.tolist()]


def test_iou_in_closed_form():
    # two pixels of class 0, one of them predicted 1; one of class 1, right; none of 2 and 3
    areas = counts_of(torch.tensor([[[0, 0, 1]]]), torch.tensor([[[0, 1, 1]]])).areas()
    np.testing.assert_array_equal(iou_of(areas[0]), [50, 50, np.nan, np.nan])
    assert mean_iou(areas[0]) == 50
    assert mean_iou(np.stack([areas[0], 2 * areas[0]])).tolist() == [50, 50]


def test_counts_survive_the_file(tmp_path):
    truths, logits = random_images()
    counts = {
        'student': counts_of(truths, logits.argmax(1)),
        'teacher': counts_of(truths, logits.argmin(1)),
    }
    save_counts(tmp_path / 'a.npz', counts)
    found = load_counts(tmp_path / 'a.npz')
    assert found.keys() == counts.keys()
    for branch, each in counts.items():
        np.testing.assert_array_equal(found[branch].areas(), each.areas())


def test_the_file_of_a_real_validation_is_small(tmp_path):
    """500 images with about 20 confusions each, in both branches: tens of kB."""
    rng = np.random.default_rng(0)
    image = np.repeat(np.arange(500), 20)
    entry = np.concatenate([np.sort(rng.choice(441, 20, replace=False)) for _ in range(500)])
    count = rng.geometric(1e-3, len(entry))
    each = ConfusionCounts(image, entry, count, 500, 21)
    save_counts(tmp_path / 'a.npz', {'student': each, 'teacher': each})
    assert (tmp_path / 'a.npz').stat().st_size < 80_000
