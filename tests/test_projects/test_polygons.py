import base64
import io
import json

import numpy as np
import pytest
import zoo
from PIL import Image

from mmseg_contrast.problem import SetupError
from mmseg_contrast.projects.polygons import (
    PolygonMask,
    class_list,
    is_coco,
    is_labelme,
    of_coco,
    of_labelme,
    read_json,
)


def shape(kind, points, label='cat', **more):
    return label, dict(label=label, shape_type=kind, points=points, **more)


def drawn(*shapes, size=(8, 10), classes=('background', 'cat', 'dog')):
    mask = PolygonMask('m.json', size, shapes)
    return mask.draw({name: index for index, name in enumerate(classes)})


def square(value=1, size=(8, 10)):
    expected = np.zeros(size, np.uint8)
    expected[2:6, 3:8] = value
    return expected


def encoded(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format='PNG')
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(
    ('kind', 'points', 'more'),
    [
        ('polygon', [[3, 2], [7, 2], [7, 5], [3, 5]], {}),
        (None, [[3, 2], [7, 2], [7, 5], [3, 5]], {}),
        ('rectangle', [[7, 5], [3, 2]], {}),
        ('mask', [[3, 2], [7, 5]], {'mask': encoded(np.ones((4, 5), bool))}),
    ],
)
def test_shapes_that_cover_a_square(kind, points, more):
    np.testing.assert_array_equal(drawn(shape(kind, points, **more)), square())


def test_a_circle():
    rows, columns = np.mgrid[:21, :21]
    inside = np.hypot(rows - 10, columns - 10)
    made = drawn(shape('circle', [[10, 10], [16, 10]]), size=(21, 21))
    assert (made[inside < 5.5] == 1).all() and (made[inside > 6.6] == 0).all()


def test_what_is_drawn_last_is_on_top_and_what_is_ignored_is_255():
    whole = [[0, 0], [9, 7]]
    corner = [[3, 2], [7, 5]]
    made = drawn(shape('rectangle', whole), shape('rectangle', corner, 'dog'))
    np.testing.assert_array_equal(made, np.where(square() == 1, 2, 1))
    made = drawn(shape('rectangle', corner, '__ignore__'))
    np.testing.assert_array_equal(made, square(255))


@pytest.mark.parametrize(
    ('bad', 'said'),
    [
        (shape('line', [[0, 0], [1, 1]]), "a shape of 'cat' is a line of 2 points"),
        (shape('polygon', [[0, 0], [1, 1]]), "a shape of 'cat' is a polygon of 2 points"),
        (shape('rectangle', [[0, 0], [1, 1]], 'cow'), "has the label 'cow', which is none of"),
    ],
)
def test_what_cannot_be_drawn(bad, said):
    with pytest.raises(SetupError) as caught:
        drawn(bad)
    assert str(caught.value).startswith('m.json: ') and said in str(caught.value)


def test_labelme(tmp_path):
    zoo.of_labelme(tmp_path / 'p0.png', None)
    path = tmp_path / 'p0.json'
    content = read_json(path)
    assert is_labelme(content) and not is_coco(content)
    mask = of_labelme(path, content, (1, 1))
    assert (mask.size, mask.labels) == (zoo.SIZE, {'cat', 'dog'})
    made = mask.draw({'background': 0, 'cat': 1, 'dog': 2})
    assert np.bincount(made.ravel()).tolist() == [48 * 64 - 32 * 32, 32 * 32 - 64, 64]
    del content['imageHeight']
    assert of_labelme(path, content, (5, 6)).size == (5, 64)


def test_coco(tmp_path):
    pytest.importorskip('pycocotools')
    path = tmp_path / 'all.json'
    zoo.coco(path)
    assert is_coco(read_json(path)) and not is_labelme(read_json(path))
    photos = {f'p{index}': tmp_path / f'P{index}.jpg' for index in range(8)}
    found = dict(of_coco(path, photos))
    # p4 and p5 are listed without polygons, p6 and p7 are not
    assert [*found] == ['p0', 'p1', 'p2', 'p3']
    made = found['p0'].draw({'background': 0, 'cat': 1, 'dog': 2})
    # the smaller one is on top, though it comes first in the file
    assert np.bincount(made.ravel()).tolist() == [48 * 64 - 32 * 32, 32 * 32 - 64, 64]
    assert (made[8:16, 8:16] == 2).all()


def test_crowds_of_coco_are_ignored(tmp_path):
    pytest.importorskip('pycocotools')
    path = tmp_path / 'all.json'
    zoo.coco(path, number=1)
    content = read_json(path)
    for each in content['annotations']:
        each['iscrowd'] = 1
    path.write_text(json.dumps(content))
    [(_, mask)] = of_coco(path, {'p0': tmp_path / 'p0.jpg'})
    made = mask.draw({'background': 0})
    assert np.unique(made).tolist() == [0, 255] and mask.labels == set()


def test_sub_folders_decide_between_equal_names(tmp_path):
    pytest.importorskip('pycocotools')
    path = tmp_path / 'all.json'
    zoo.coco(path, number=2, listed=2)
    content = read_json(path)
    for each, folder in zip(content['images'], 'ab'):
        each['file_name'] = f'{folder}/1.jpg'
    path.write_text(json.dumps(content))
    found = dict(of_coco(path, {'b/1': tmp_path / 'b/1.jpg', 'c/1': tmp_path / 'c/1.jpg'}))
    assert [*found] == ['b/1']


def test_a_file_that_is_no_coco(tmp_path):
    pytest.importorskip('pycocotools')
    path = tmp_path / 'all.json'
    zoo.write_json(path, images=[{}], annotations=[], categories=[])
    with pytest.raises(SetupError, match=r'all\.json: is no file of COCO .*; export it again'):
        dict(of_coco(path, {}))


def test_without_pycocotools(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'pycocotools.coco', None)
    with pytest.raises(SetupError, match='not installed; pip install pycocotools'):
        dict(of_coco(tmp_path / 'all.json', {}))


def test_json_that_cannot_be_read(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('{')
    with pytest.raises(SetupError, match=r'a\.json: cannot be read as JSON .*; export it again'):
        read_json(path)
    path.write_text('[1]')
    assert read_json(path) == {}


def test_classes_of_polygons():
    masks = [
        PolygonMask('a.json', (1, 1), [('dog', {}), ('ignore', {})]),
        PolygonMask('b.json', (1, 1), [('cat', {})]),
    ]
    assert class_list(masks) == ['background', 'cat', 'dog']
    assert class_list(masks, ['dog', 'cat', 'cow']) == ['background', 'dog', 'cat', 'cow']
    assert class_list(masks, ['dog', 'background', 'cat']) == ['dog', 'background', 'cat']
    assert class_list(masks, before=['background', 'dog', 'old']) == [
        'background',
        'dog',
        'old',
        'cat',
    ]
    with pytest.raises(SetupError, match=r"b\.json: a polygon has the label 'cat', which is none"):
        class_list(masks, ['dog'])
