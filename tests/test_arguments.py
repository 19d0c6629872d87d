"""Sentences of the checks of arguments, and what passes them."""

import pytest

from mmseg_contrast.arguments import at_least, in_range, one_of


class Box:
    pass


def test_one_of_passes_what_is_known_and_names_the_rest():
    one_of(Box(), ('a', 'b'), way='b')
    one_of(Box(), ('a', 'b'), optional=True, way=None)
    with pytest.raises(ValueError) as error:
        one_of(Box(), ['a', 'b'], way='a', other='c')
    assert str(error.value) == "Box(other='c') is unknown: use one of ('a', 'b')."
    with pytest.raises(ValueError) as error:
        one_of('Head', ('a', 'b'), optional=True, way='c')
    assert str(error.value) == "Head(way='c') is unknown: use one of ('a', 'b') or None."
    with pytest.raises(ValueError, match=r'Box\(way=None\)'):
        one_of(Box(), ('a', 'b'), way=None)


@pytest.mark.parametrize(
    ('interval', 'inside', 'outside'),
    [
        ('[0, 1]', (0, 0.5, 1), (-0.1, 1.1, float('nan'))),
        ('(0, 1]', (0.5, 1), (0, 1.1)),
        ('[0, 1)', (0, 0.5), (-0.1, 1)),
        ('(0, inf)', (1e-9, 1e9), (0, -1, float('inf'))),
    ],
)
def test_in_range_is_the_interval_as_it_is_written(interval, inside, outside):
    for value in (*inside, None):
        in_range(Box(), interval, 'a share', part=value)
    for value in outside:
        with pytest.raises(ValueError) as error:
            in_range(Box(), interval, 'a share', part=value)
        assert str(error.value) == f'Box(part={value}) is a share: use {interval}.'


def test_at_least_takes_the_lowest_and_says_whether_none_passes():
    at_least(Box(), 1, number=1, other=7)
    at_least(Box(), 1, optional=True, number=None)
    with pytest.raises(ValueError) as error:
        at_least(Box(), 1, number=2, other=0)
    assert str(error.value) == 'Box(other=0) must be at least 1.'
    with pytest.raises(ValueError) as error:
        at_least(Box(), 1, optional=True, number=0)
    assert str(error.value) == 'Box(number=0) must be at least 1, or None.'
