import numpy as np
import pytest
import torch
from helpers import build, plain_cfg, prepared, random_batch, semi_cfg, separate_teacher, set_iter

from mmseg_contrast.models.mixing import Mixed
from mmseg_contrast.report.step_view import NUM_IMAGES, StepView, paint
from mmseg_contrast.visualization.grid import overlay

PALETTE = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]


@pytest.fixture
def step():
    """Run one step of a semi-supervised model while a view listens."""
    torch.manual_seed(0)
    model = build(semi_cfg(selector={'type': 'ThresholdMask', 'threshold': 0.4}))
    separate_teacher(model)
    model.hook.announce([type('MeanTeacherHook', (), {})()])
    set_iter(10)
    batch = random_batch(num_labeled=3, num_unlabeled=3, ignored=0)
    view = StepView(model)
    view.attach()
    model.loss(*prepared(model, batch))
    return model, batch, view


def rgb(image):
    return image.flip(0).permute(1, 2, 0).numpy()


def test_images_are_those_of_the_batch(step):
    _, batch, view = step
    rows = dict(view.rows(batch, PALETTE))
    assert [*rows] == [
        'Labelled image 1',
        'Labelled image 2',
        'Unlabelled image 1',
        'Unlabelled image 2',
    ]
    first = dict(rows['Labelled image 2'])
    image, sample = batch['inputs']['sup'][1], batch['data_samples']['sup'][1]
    assert np.array_equal(first['image'], rgb(image))
    labels = sample.gt_sem_seg.data[0].numpy()
    assert np.array_equal(first['mask'], overlay(rgb(image), labels, np.array(PALETTE)))
    # the unlabelled images come after three labelled ones
    row = dict(rows['Unlabelled image 2'])
    for branch in ('weak', 'strong'):
        assert np.array_equal(row[branch], rgb(batch['inputs'][branch][4]))


def test_labels_are_those_of_the_teacher_and_only_kept_ones_have_colour(step):
    model, batch, view = step
    row = dict(view.rows(batch, PALETTE)[2][1])
    images, samples = (part['weak'] for part in prepared(model, batch))
    with torch.no_grad():
        logits = model.teacher.encode_decode(images, [s.metainfo for s in samples])
    confidence, labels = logits.softmax(1).max(1)
    weak = row['weak']
    colors = np.array(PALETTE)
    labels, kept = labels[0].numpy(), (confidence[0] >= 0.4).numpy()
    assert 0 < kept.mean() < 1
    assert np.array_equal(row["teacher's labels"], overlay(weak, labels, colors))
    black = overlay(weak, np.where(kept, labels, 255), colors)
    assert np.array_equal(row['kept labels'], black)


def test_the_student_saw_the_mixed_images(step):
    model, batch, view = step
    rows = dict(view.rows(batch, PALETTE))
    first = dict(rows['Unlabelled image 1'])
    strong, seen = first['strong'], first['student saw']
    pasted = (seen != strong).any(2).mean()
    assert 0 < pasted < 0.9, 'one box of it is of another image'
    images = torch.rand(2, 3, 8, 8)
    preprocessor = model.data_preprocessor
    normalised = (255 * images - preprocessor.mean) / preprocessor.std
    view._mixed = [(normalised[:0], 0), (normalised, 1)]
    seen = dict(view.rows(batch, PALETTE)[2][1])['student saw']
    expected = (255 * images[0]).round().byte().permute(1, 2, 0).numpy()
    assert np.abs(seen.astype(int) - expected).max() <= 1


def test_the_model_is_left_as_it_was(step):
    model, _, view = step
    view.detach()
    assert not model.selector._forward_hooks and not model.mixing._forward_hooks
    assert isinstance(Mixed, type) and NUM_IMAGES == 2


def test_an_ordinary_batch_has_images_and_masks():
    view = StepView(build(plain_cfg()))
    view.attach()
    branches = random_batch(num_unlabeled=0)
    batch = {key: branches[key]['sup'] for key in branches}
    rows = view.rows(batch, PALETTE)
    assert [(title, [caption for caption, _ in row]) for title, row in rows] == [
        ('Labelled image 1', ['image', 'mask']),
        ('Labelled image 2', ['image', 'mask']),
    ]


def test_images_that_the_pipeline_has_normalised_are_stretched():
    view = StepView(build(plain_cfg()))
    image = torch.linspace(-2, 2, 3 * 64).view(3, 8, 8)
    sample = random_batch(size=(8, 8))['data_samples']['sup'][0]
    picture = view.rows({'inputs': [image], 'data_samples': [sample]}, PALETTE)[0][1][0][1]
    assert (picture.min(), picture.max()) == (0, 255)


def test_unknown_labels_are_black():
    labels = np.array([[0, 7], [255, 1]])
    picture = paint(np.full((2, 2, 3), 255, np.uint8), labels, np.array(PALETTE))
    assert picture[0, 1].tolist() == picture[1, 0].tolist() == [0, 0, 0]
    assert picture[0, 0].tolist() != [0, 0, 0] != picture[1, 1].tolist()
