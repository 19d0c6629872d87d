import json

import pytest
import torch
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

from mmseg_contrast.datasets.files import classes_of_ids, ids_of_classes
from mmseg_contrast.pseudo_labels import (
    PseudoLabelWriter,
    class_scores,
    select_labels,
)
from mmseg_contrast.pseudo_labels.generate import make_report

IGNORE = 255


def test_a_score_must_exceed_its_threshold():
    scores = torch.tensor([[0.5, 0.7, 0.3, 0.25], [0.5, 0.3, 0.7, 0.75]])[:, None]
    labels, classes = select_labels(scores, torch.tensor([0.5, 0.7]))
    assert classes.tolist() == [[0, 0, 1, 1]]
    assert labels.tolist() == [[IGNORE, 0, IGNORE, 1]]


def test_scores_of_one_and_of_many_channels():
    logits = torch.randn(3, 4, 5)
    torch.testing.assert_close(class_scores(logits), logits.softmax(0))
    single = class_scores(logits[:1])
    torch.testing.assert_close(single[1], logits[0].sigmoid())
    torch.testing.assert_close(single.sum(0), torch.ones(4, 5))


def test_scores_that_round_to_one_are_told_apart():
    # doubts of 1e-9 and 1e-10 in two classes, and in a single channel
    logits = torch.tensor([1e9, 1e10, 1e9, 1e10]).log() * torch.tensor([1, 1, -1, -1])
    thresholds = torch.tensor([1 - 5e-10] * 2, dtype=torch.float64)
    for form in (torch.stack([torch.zeros(4), logits]), logits[None]):
        labels, classes = select_labels(class_scores(form.unsqueeze(1)), thresholds)
        assert classes.tolist() == [[1, 1, 0, 0]]
        assert labels.tolist() == [[IGNORE, 1, IGNORE, 0]]


@pytest.mark.parametrize('reduce_zero_label', [False, True])
@pytest.mark.parametrize('label_map', [None, {0: 255, 1: 2, 2: 0, 3: 1}])
def test_masks_are_read_as_they_are_meant(tmp_path, reduce_zero_label, label_map):
    """Whatever ids a data set's masks have; each mask carries the histogram of the predictions."""
    logits = 3 * torch.randn(3, 6, 7)
    stored_ids = ids_of_classes(classes_of_ids(reduce_zero_label, label_map), 3)
    thresholds = dict(zip('abc', (0.6, 0.9, 0.2)))
    writer = PseudoLabelWriter(
        {'in/a.jpg': 'city/a'}, tmp_path / 'masks', list(thresholds.values()), stored_ids
    )
    writer.process({}, [{'seg_logits': {'data': logits}, 'img_path': 'in/a.jpg'}])
    path = tmp_path / 'masks/city/a.png'
    with Image.open(path) as image:
        predicted = json.loads(image.text['predicted'])
    best, classes = logits.softmax(0).max(0)
    expected = classes.clone()
    for c, threshold in enumerate(thresholds.values()):
        expected[(classes == c) & (best <= threshold)] = IGNORE
    read = LoadAnnotations()(
        {
            'seg_map_path': str(path),
            'reduce_zero_label': reduce_zero_label,
            'label_map': label_map,
            'seg_fields': [],
        }
    )
    assert read['gt_seg_map'].tolist() == expected.tolist()
    assert predicted == classes.flatten().bincount(minlength=3).tolist()
    metrics = writer.evaluate(1)
    assert metrics['pseudo_label/images'] == 1
    kept = (expected != IGNORE).sum().item()
    assert metrics['pseudo_label/coverage'] == pytest.approx(kept / 42)

    (tmp_path / 'run.json').write_text(json.dumps({'stored_ids': stored_ids}))
    report = make_report(tmp_path, ['city/a'], thresholds)
    assert [row['kept'] for row in report['classes'].values()] == [
        (expected == c).sum().item() for c in range(3)
    ]
    assert (report['pixels'], report['coverage']) == (42, pytest.approx(kept / 42, abs=1e-6))
