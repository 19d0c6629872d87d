import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmseg_contrast.datasets.camvid import CamVidDataset
from mmseg_contrast.datasets.files import ids_of_classes
from mmseg_contrast.pseudo_labels.precision import (
    count_confusion,
    precision_table,
    true_masks,
    write_precision,
)
from mmseg_contrast.pseudo_labels.predict import stored_classes

IGNORE = 255


def test_confusion_equals_a_loop():
    rng = np.random.default_rng(0)
    ids = [*range(19), IGNORE]
    pairs = [[rng.choice(ids, (25, 7)).astype(np.uint8) for _ in '12'] for _ in '123']
    expected = np.zeros((19, 20), int)
    for true, labels in pairs:
        for t, p in zip(true.flat, labels.flat):
            if t != IGNORE:
                expected[t, 19 if p == IGNORE else p] += 1
    assert count_confusion(pairs, 19).tolist() == expected.tolist()
    assert count_confusion([], 3).sum() == 0


def test_precision_in_closed_form():
    confusion = np.array([[6, 0, 0, 2], [1, 0, 0, 3], [3, 0, 0, 5]])
    rows = precision_table(confusion, 'abc')
    assert rows['a'] == {
        'true_share': 0.4,
        'kept_share': 1.0,
        'precision': 0.6,
        'confused_with': 'c',
        'confused': 0.3,
    }
    # a class that nothing was labelled as has no precision
    assert rows['b'] == {
        'true_share': 0.2,
        'kept_share': 0.0,
        'precision': '',
        'confused_with': '',
        'confused': '',
    }
    nothing = precision_table(np.zeros((2, 3), int), 'ab')
    assert set(nothing['a'].values()) == {''}
    right = precision_table(np.array([[4, 0, 1], [0, 5, 0]]), 'ab')
    assert (right['a']['precision'], right['a']['confused_with']) == (1.0, '')


def make_config(**dataset):
    return Config(dict(test_dataloader=dict(dataset=dict(seg_map_suffix='_true.png', **dataset))))


@pytest.fixture
def run(tmp_path):
    """A finished run on one image; by default of a data set whose id 0 is no class."""
    first = make_config(
        type='BaseSegDataset', metainfo=dict(classes=('a', 'b')), reduce_zero_label=True
    )

    def write(true, labels, cfg=first):
        for folder, suffix, values in (('true', '_true', true), ('out/masks', '', labels)):
            path = tmp_path / folder / 'city' / f'one{suffix}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.array(values)).save(path)
        truth = true_masks(cfg, str(tmp_path / 'true'), ['city/one'])
        return write_precision(cfg, tmp_path / 'out', truth, 'ab')

    return write


def test_both_kinds_of_masks_are_read_as_the_data_set_stores_them(run, tmp_path):
    rows = run(np.uint8([[1, 1, 2, 0]]), np.uint8([[1, 2, 2, 1]]))
    assert (rows['a']['precision'], rows['b']['precision']) == (1.0, 0.5)
    assert (rows['b']['confused_with'], rows['b']['confused']) == ('a', 0.5)
    assert (tmp_path / 'out/precision.csv').read_text().splitlines() == [
        'class,true_share,kept_share,precision,confused_with,confused',
        'a,0.666667,0.333333,1.0,,',
        'b,0.333333,0.666667,0.5,a,0.5',
    ]


@pytest.mark.parametrize(
    ('true', 'said'),
    [
        ([[1, 2]], r'is 2 x 1 and its image 4 x 1'),
        ([[1, 1, 5, 0]], r'holds the class 4, and 2 classes have 0 to 1 .*correct the masks'),
    ],
)
def test_masks_of_other_images_and_classes(run, true, said):
    with pytest.raises(ValueError, match=said):
        run(np.uint8(true), np.uint8([[1, 2, 2, 1]]))


def test_fewer_classes_than_the_masks_have(run):
    cfg = make_config(type='CamVidDataset', metainfo=dict(classes=('Car', 'Sky')))
    car, sky = (CamVidDataset.METAINFO['classes'].index(name) for name in ('Car', 'Sky'))
    other = 1
    assert other not in (car, sky)
    assert ids_of_classes(stored_classes(cfg), 2)[:2] == [car, sky]
    true, labels = [[car, car, sky, other]], [[car, sky, sky, sky]]
    rows = run(np.uint8(true), np.uint8(labels), cfg)
    assert (rows['a']['precision'], rows['b']['precision']) == (1.0, 0.5)


def test_masks_of_one_bit(run):
    cfg = make_config(type='BaseSegDataset', metainfo=dict(classes=('a', 'b')))
    rows = run(np.array([[True, False, False, True]]), np.uint8([[1, 1, 0, 255]]), cfg)
    assert (rows['a']['precision'], rows['b']['precision']) == (1.0, 0.5)
