import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import random_label
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmseg_contrast.report.measures import bins_of, confusion_of, iou_of
from mmseg_contrast.report.validation_counts import (
    NUM_WORST,
    SIDE,
    ValidationCounts,
    merge_counts,
    shrink,
)

C = 3


def make_sample(name='a.png', size=(8, 12), seed=0, channels=C):
    torch.manual_seed(seed)
    logits = 2 * torch.randn(channels, *size)
    if channels == 1:
        logits = logits.sigmoid()
        prediction = (logits > 0.5).long()
    else:
        prediction = logits.argmax(0, keepdim=True)
    sample = SegDataSample(
        gt_sem_seg=PixelData(data=random_label(size, min(C, max(channels, 2)))[None]),
        pred_sem_seg=PixelData(data=prediction),
        seg_logits=PixelData(data=logits),
    )
    sample.set_metainfo({'img_path': f'folder/{name}', 'img_shape': size, 'ori_shape': size})
    return sample


def arrays(sample):
    return sample.gt_sem_seg.data[0].numpy(), sample.pred_sem_seg.data[0].numpy()


def test_counts_add_up_over_images():
    samples = [make_sample(seed=i) for i in range(4)]
    counts = ValidationCounts(C)
    for sample in samples:
        counts.add(sample)
    truth, prediction = (np.concatenate(part) for part in zip(*map(arrays, samples)))
    record = counts.record()
    assert record.confusion == confusion_of(truth, prediction, C).tolist()
    logits = torch.cat([s.seg_logits.data for s in samples], 1)
    known = truth != 255
    confidence = logits.softmax(0).max(0)[0].numpy()[known]
    expected = bins_of(confidence.astype(float), (truth == prediction)[known])
    assert np.allclose(record.bins, expected, atol=1e-4)
    entropy = F.cross_entropy(logits[None], torch.from_numpy(truth)[None], ignore_index=255)
    assert record.cross_entropy == pytest.approx(float(entropy), rel=1e-5)


def test_a_single_channel_holds_a_probability():
    sample = make_sample(channels=1)
    counts = ValidationCounts(2)
    counts.add(sample)
    probability, truth = sample.seg_logits.data[0].double(), sample.gt_sem_seg.data[0]
    known = truth != 255
    of_truth = torch.where(truth == 1, probability, 1 - probability)[known]
    assert counts.record().cross_entropy == pytest.approx(float(-of_truth.log().mean()), rel=1e-4)


def test_of_a_large_image_a_grid_is_looked_at():
    sample = make_sample(size=(300, 300))
    counts = ValidationCounts(C)
    counts.add(sample)
    # 90,000 pixels, of which one in 3 x 3 is looked at
    looked_at = (sample.gt_sem_seg.data[0, ::3, ::3] != 255).sum()
    assert counts.bins[0].sum() == looked_at
    assert counts.confusion.sum() == (sample.gt_sem_seg.data != 255).sum()


def test_features_are_summed_by_the_class_under_each_cell():
    sample = make_sample(size=(8, 8))
    feature = torch.randn(5, 4, 4)
    counts = ValidationCounts(C)
    counts.add(sample, feature)
    sums, number = np.zeros((C, 5)), np.zeros(C, int)
    for y in range(4):
        for x in range(4):
            label = int(sample.gt_sem_seg.data[0, 2 * y + 1, 2 * x + 1])
            if label < C:
                vector = feature[:, y, x].double().numpy()
                sums[label] += vector / np.linalg.norm(vector)
                number[label] += 1
    assert np.allclose(counts.sums, sums, atol=1e-5)
    assert counts.counts.tolist() == number.tolist()
    assert counts.record().between is not None


def test_the_worst_images_are_kept():
    samples = [make_sample(f'{i}.png', seed=i) for i in range(8)]
    counts = ValidationCounts(C)
    for sample in samples:
        counts.add(sample)
    scores = {s.img_path: float(np.nanmean(iou_of(confusion_of(*arrays(s), C)))) for s in samples}
    expected = sorted(scores, key=scores.get)[:NUM_WORST]
    assert [each.path for each in counts.worst] == expected
    assert counts.worst[0].iou == pytest.approx(scores[expected[0]])


def test_processes_are_joined_as_if_they_were_one():
    samples = [make_sample(f'{i}.png', size=(8, 8), seed=i) for i in range(6)]
    features = [torch.randn(4, 4, 4) for _ in samples]
    alone, first, second = (ValidationCounts(C) for _ in range(3))
    for i, (sample, feature) in enumerate(zip(samples, features)):
        alone.add(sample, feature)
        (second if i % 2 else first).add(sample, feature)
    merged = merge_counts([{'student': first}, None, {'student': second}])['student']
    one, two = alone.record(), merged.record()
    assert one.confusion == two.confusion
    assert np.allclose(one.bins, two.bins) and one.cross_entropy == pytest.approx(two.cross_entropy)
    assert np.allclose(one.within, two.within) and one.between == pytest.approx(two.between)
    assert [each.path for each in alone.worst] == [each.path for each in merged.worst]
    assert merged.images == 6


def test_an_image_without_mask_does_not_count():
    counts = ValidationCounts(C)
    counts.add(SegDataSample(pred_sem_seg=PixelData(data=torch.zeros(1, 2, 2))))
    assert (counts.images, counts.confusion.sum()) == (0, 0)
    assert counts.record().cross_entropy is None


def test_pictures_are_made_small_and_never_larger():
    assert shrink(np.zeros((2 * SIDE, SIDE, 3), np.uint8)).shape == (SIDE, SIDE // 2, 3)
    assert shrink(np.zeros((5, 7), np.uint8)).shape == (5, 7)
