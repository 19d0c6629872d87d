import pytest

from mmseg_contrast.problem import SetupError
from mmseg_contrast.projects.class_names import (
    ClassNames,
    cityscapes,
    class_names,
    distinct_colors,
    read_class_names,
)

COLORED = [(128, 64, 128), (0, 0, 142)]


@pytest.mark.parametrize(
    ('text', 'names', 'colors', 'ignored'),
    [
        ('road\nparked car\n\n# more\n', ['road', 'parked car'], [], []),
        ('0 road\n1 car\n', ['road', 'car'], [], []),
        ('0: road\n1: car\n', ['road', 'car'], [], []),
        ('Pixel Value, Class\n0, road\n1, car\n', ['road', 'car'], [], []),
        ('__ignore__\n_background_\ncat\n', ['background', 'cat'], [], []),
        ('road 128 64 128\ncar 0 0 142\n', ['road', 'car'], COLORED, []),
        ('128 64 128 road\n0 0 142 car\n', ['road', 'car'], COLORED, []),
        ('128\t64\t128\troad\n0 0 142\tparked car', ['road', 'parked car'], COLORED, []),
        ('name,r,g,b\nroad,128,64,128\ncar,0,0,142\n', ['road', 'car'], COLORED, []),
        ('Void 0 0 0\nroad 128 64 128\ncar 0 0 142\n', ['road', 'car'], COLORED, [(0, 0, 0)]),
        (
            '# label:color_rgb:parts:actions\nroad:128,64,128::\ncar:0,0,142::\n',
            ['road', 'car'],
            COLORED,
            [],
        ),
        ('\ufeffroad\ncar 2\n', ['road', 'car 2'], [], []),
    ],
)
def test_files(tmp_path, text, names, colors, ignored):
    path = tmp_path / 'classes.txt'
    path.write_text(text, encoding='utf-8')
    assert read_class_names(path) == ClassNames(names, colors, ignored, str(path))


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('', 'it names no class; write one class name a line'),
        ('road 1 2 3\ncar\n', "line 2 is 'car', which is no class name like the lines before it"),
        ('road 1 2 300\n', "line 1 is 'road 1 2 300'"),
        ('road\ncar\nroad\n', 'the name road stands for two classes'),
        ('a 1 2 3\nb 1 2 3\n', r'the colour (1, 2, 3) stands for two classes'),
    ],
)
def test_files_that_are_wrong(tmp_path, text, said):
    path = tmp_path / 'classes.txt'
    path.write_text(text)
    with pytest.raises(SetupError) as caught:
        read_class_names(path)
    assert str(path) in str(caught.value) and said in str(caught.value)


def test_where_names_come_from(tmp_path):
    masks, data = tmp_path / 'data' / 'masks', tmp_path / 'data'
    masks.mkdir(parents=True)
    (data / 'labelmap.txt').write_text('a:1,2,3::\n')
    assert class_names([], [masks, data]).names == ['a']
    (masks / 'classes.txt').write_text('b\n')
    assert class_names([], [masks, data]).names == ['b']
    assert class_names(['c', 'd'], [masks, data]).names == ['c', 'd']
    assert class_names([str(data / 'labelmap.txt')], [masks]).names == ['a']
    assert class_names([], [tmp_path]) is None
    with pytest.raises(FileNotFoundError, match=r'gone\.txt: there is no such file'):
        class_names(['gone.txt'], [])
    with pytest.raises(SetupError, match='--classes: the name a stands for two classes'):
        class_names(['a', 'a'], [])


def test_cityscapes():
    known = cityscapes()
    assert (known.names[0], known.colors[0]) == ('road', (128, 64, 128))
    assert len(known.names) == len(known.colors) == 19


def test_made_colours_differ():
    colors = distinct_colors(40)
    assert colors[0] == (0, 0, 0) and len(set(colors)) == 40
    near = min(
        sum(abs(a - b) for a, b in zip(one, two))
        for index, one in enumerate(colors[:12])
        for two in colors[:index]
    )
    assert near > 60
