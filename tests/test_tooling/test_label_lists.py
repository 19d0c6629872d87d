import pytest

from mmseg_contrast.datasets.files import read_list
from mmseg_contrast.datasets.splits import random_order
from mmseg_contrast.tooling.label_lists import draw_lists

NAMES = [f'{number:02}' for number in range(10)]


@pytest.fixture
def sources(tmp_path):
    """Two sources that share out ten images."""
    (tmp_path / 'first.txt').write_text('\n'.join(NAMES[:3]))
    (tmp_path / 'rest.txt').write_text('\n'.join(NAMES[3:]))
    return [{'data_root': str(tmp_path), 'ann_file': f'{name}.txt'} for name in ('first', 'rest')]


def draw(sources, labels, tmp_path, fold=0):
    return [read_list(path) for path in draw_lists(sources, labels, fold, None, tmp_path / 'lists')]


def test_the_lists_share_out_the_images_of_both_sources(sources, tmp_path):
    few, rest = draw(sources, '2', tmp_path)
    assert sorted(few + rest) == NAMES and len(few) == 2
    assert set(few) == {NAMES[i] for i in random_order(10, (0, 0))[:2]}
    assert set(few) < set(draw(sources, '5', tmp_path)[0])
    assert set(draw(sources, '5', tmp_path, fold=1)[0]) != set(draw(sources, '5', tmp_path)[0])


def test_a_given_list_and_what_is_none(sources, tmp_path):
    given = tmp_path / 'mine.txt'
    given.write_text('07\n01\n')
    few, rest = draw(sources, str(given), tmp_path)
    assert sorted(few) == ['01', '07'] and sorted(few + rest) == NAMES
    with pytest.raises(ValueError, match='give a number of images, or a list that is there'):
        draw(sources, 'none.txt', tmp_path)
    given.write_text('\n'.join(NAMES))
    with pytest.raises(ValueError, match='no image is left to pseudo-label'):
        draw(sources, str(given), tmp_path)
