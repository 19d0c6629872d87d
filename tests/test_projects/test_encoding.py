import numpy as np
import pytest
import zoo

from mmseg_contrast.problem import SetupError
from mmseg_contrast.projects.class_names import ClassNames
from mmseg_contrast.projects.codes import read_codes, summarize
from mmseg_contrast.projects.encoding import decide

RED, GREEN = (255, 0, 0), (0, 128, 0)
ROAD = ClassNames(['road', 'tree'], [RED, GREEN], [(0, 0, 0)], 'classes.txt')


@pytest.fixture
def meaning(tmp_path):
    """Write four masks, find out what they mean, and return that and each mask with its classes."""

    def found(write, names=None, number=4, **said):
        zoo.masks(tmp_path, write, number)
        paths = sorted(tmp_path.glob('p*'))
        contents = [summarize(path, read_codes(path)) for path in paths]
        encoding = decide(contents, names, **said)
        made = [encoding.encode(read_codes(path)) for path in paths]
        for content, classes in zip(contents, made):
            counts = np.bincount(classes.ravel(), minlength=256)
            number = len(encoding.names)
            expected = [*counts[:number], counts[255]]
            np.testing.assert_array_equal(encoding.count(content), expected)
        return encoding, made

    return found


def same(made, expected):
    for index, classes in enumerate(made):
        assert classes.dtype == np.uint8
        np.testing.assert_array_equal(classes, expected(zoo.classes(seed=index)))


@pytest.mark.parametrize(
    ('write', 'what', 'expected'),
    [
        (zoo.of_ids, 'class ids', lambda ids: ids),
        (zoo.of_16_bits, 'class ids', lambda ids: ids),
        (zoo.of_equal_channels, 'class ids', lambda ids: ids),
        (zoo.of_whole_floats, 'class ids', lambda ids: ids),
        (zoo.of_palette, 'palette of class ids', lambda ids: ids),
        (zoo.of_zero_and_255, '0 and 255', lambda ids: ids > 0),
        (zoo.of_greys, 'the numbers 0, 100, 200', lambda ids: ids),
        # in the order of the colours: black, green, red
        (zoo.of_colors, 'colours', lambda ids: np.array([0, 2, 1])[ids]),
        (zoo.of_palettes_that_differ, 'colours', lambda ids: np.array([0, 2, 1])[ids]),
    ],
)
def test_what_masks_tell_themselves(meaning, write, what, expected):
    encoding, made = meaning(write)
    assert encoding.what == what
    assert encoding.names == [f'class_{index}' for index in range(made[0].max() + 1)]
    assert len(set(encoding.palette)) == len(encoding.names)
    same(made, expected)


def test_colours_of_the_palette_and_of_the_masks_are_kept(meaning):
    assert meaning(zoo.of_palette)[0].palette == [(0, 0, 0), RED, GREEN]


def test_colours_with_names(meaning):
    encoding, made = meaning(zoo.of_colors, ROAD)
    assert (encoding.names, encoding.palette) == (['road', 'tree'], [RED, GREEN])
    same(made, lambda ids: np.array([255, 0, 1])[ids])


def test_ignored_numbers_and_colours(meaning):
    same(meaning(zoo.of_colors, ignored=[GREEN])[1], lambda ids: np.array([0, 1, 255])[ids])
    same(meaning(zoo.of_palette, ignored=[(0, 0, 0)])[1], lambda ids: np.array([255, 0, 1])[ids])


def test_ids_from_one_on_when_zero_is_no_class(meaning):
    names = ClassNames(['a', 'b'], source='--classes')
    same(meaning(zoo.of_ids, names, ignored=[0])[1], lambda ids: np.array([255, 0, 1])[ids])


def test_classes_that_no_mask_shows_have_a_name(meaning):
    encoding, made = meaning(zoo.of_ids, ClassNames(['a', 'b', 'c', 'd'], source='--classes'))
    assert encoding.names == ['a', 'b', 'c', 'd'] and len(encoding.palette) == 4
    same(made, lambda ids: ids)


def test_what_must_be_said(meaning):
    same(meaning(zoo.of_greys_with_255, ignored=[])[1], lambda ids: ids)
    same(meaning(zoo.of_greys_with_255, ignored=[255])[1], lambda ids: np.array([0, 1, 255])[ids])
    same(meaning(zoo.of_class_and_instance, kind='class-instances')[1], lambda ids: ids)


def test_instances(meaning):
    encoding, made = meaning(zoo.of_instances, kind='instances')
    assert [mask.max() for mask in made] == [1] * 4 and len(encoding.names) == 2
    encoding, made = meaning(zoo.of_instances, kind='ids')
    assert [mask.max() for mask in made] == [3, 4, 5, 6] and len(encoding.names) == 7


def test_the_border_of_voc_is_ignored(meaning):
    def write(path, ids):
        zoo.save(path, np.array([(0, 0, 0), RED, (224, 224, 192)], np.uint8)[ids])

    encoding, made = meaning(write)
    assert len(encoding.names) == 2
    same(made, lambda ids: np.array([0, 1, 255])[ids])


@pytest.mark.parametrize(
    ('write', 'before', 'expected'),
    [
        (zoo.of_colors, {0: 0, 0xFF0000: 1}, lambda ids: ids),  # green is new
        (zoo.of_greys, {0: 1, 100: 0}, lambda ids: np.array([1, 0, 2])[ids]),
        (zoo.of_ids, {0: 0, 1: 1, 255: 255}, lambda ids: ids),
    ],
)
def test_the_classes_of_an_earlier_time_stay(meaning, write, before, expected):
    same(meaning(write, before=before)[1], expected)


@pytest.mark.parametrize('end', ['labelTrainIds', 'labelIds'])
def test_cityscapes(tmp_path, end):
    stored = [0, 18, 255] if end == 'labelTrainIds' else [7, 33, 3]
    path = tmp_path / f'x_gtFine_{end}.png'
    zoo.save(path, np.array([stored], np.uint8))
    encoding = decide([summarize(path, read_codes(path))])
    assert (encoding.names[0], len(encoding.names)) == ('road', 19)
    assert encoding.encode(read_codes(path)).tolist() == [[0, 18, 255]]


@pytest.mark.parametrize(
    ('write', 'said', 'sentence'),
    [
        (
            zoo.of_greys_with_255,
            {},
            '255 may be a class or not; give --ignore 255, or --ignore none',
        ),
        (
            zoo.of_class_and_instance,
            {},
            'the mask holds the id 3007, as masks of instances do; give --encoding class-instances if '
            'it means class 3 and object 7',
        ),
        (zoo.of_instances, {}, 'the mask holds 1 to 6, each in one piece'),
        (zoo.of_blends, {}, 'export masks as PNG without anti-aliasing, not as JPEG'),
        (zoo.of_jpeg, {}, 'export masks as PNG without anti-aliasing, not as JPEG'),
        (
            zoo.of_colors,
            dict(kind='ids'),
            'the mask holds colours, and --encoding ids is for numbers',
        ),
        (
            zoo.of_colors,
            dict(names=ClassNames(['road'], [RED], source='classes.txt')),
            'the mask has the colour (0, 0, 0) in 1152 pixels, which classes.txt does not name; add it '
            'there, or give --ignore 0,0,0.',
        ),
        (
            zoo.of_colors,
            dict(names=ClassNames(['a', 'b'], source='--classes')),
            'the masks have 3 colours ((0, 0, 0), (0, 128, 0), (255, 0, 0)), but --classes names 2',
        ),
        (
            zoo.of_ids,
            dict(names=ClassNames(['a', 'b'], source='--classes')),
            'the masks hold 0, 1, 2, but --classes names 2 classes; name each number, background too, '
            'or give --ignore 0 if 0 means "no class".',
        ),
        (
            zoo.of_zero_and_255,
            dict(names=ClassNames(['a'], source='--classes')),
            'the masks hold 0 and 255 alone, but --classes names 1 classes; name two',
        ),
        (zoo.of_ids, dict(ignored=[0, 1, 2]), 'the masks hold 0, 1, 2 alone, which is ignored'),
        (zoo.of_ids, dict(ignored=[(1, 2, 3)]), '1,2,3 is a colour, but the masks hold numbers'),
        (zoo.of_greys, dict(kind='ids', names=ROAD), 'but 2 classes have 0 to 1'),
    ],
)
def test_what_is_asked_about_or_refused(meaning, write, said, sentence):
    with pytest.raises(SetupError) as caught:
        meaning(write, **said)
    assert sentence in str(caught.value)


def test_a_mask_of_ids_among_colours(meaning):
    def write(path, ids):
        (zoo.of_ids if path.stem == 'p2' else zoo.of_colors)(path, ids)

    with pytest.raises(SetupError, match=r'p2.png: the mask holds the numbers 0, 1, 2, but .*p0'):
        meaning(write)
    encoding, _ = meaning(lambda path, ids: write(path, ids * (path.stem != 'p2')))
    assert len(encoding.names) == 3


def test_many_numbers_are_no_classes(meaning):
    with pytest.raises(SetupError, match='150 different numbers') as caught:
        meaning(lambda path, ids: zoo.save(path, np.arange(150, dtype=np.uint8)[:, None] + 80))
    assert '150 different numbers, up to 229; give the class names' in str(caught.value)
