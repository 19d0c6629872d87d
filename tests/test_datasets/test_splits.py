import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from mmseg_contrast.datasets.files import read_list
from mmseg_contrast.datasets.splits import (
    FRENCH,
    Manifest,
    Split,
    check_no_leak,
    class_counts,
    class_table,
    fraction_label,
    labeled_count,
    make_split,
    match_names,
    random_order,
    stratified_order,
    write_splits,
)
from mmseg_contrast.files import sha256_of

LISTS = Path(__file__).parents[2] / 'data_lists' / 'camvid'


@pytest.mark.parametrize(
    ('amount', 'total', 'count'),
    [
        ('1/30', 367, 12),
        ('1/8', 367, 46),
        ('1/4', 367, 92),
        ('12', 367, 12),
        ('0.5', 9, 5),
        ('1', 10, 1),
        ('1/15=46', 367, 46),
    ],
)
def test_labeled_count(amount, total, count):
    assert labeled_count(amount, total) == count


@pytest.mark.parametrize('amount', ['0', '10', '11', '-1', '5/2', '1/1000', '1/0', 'many'])
def test_labeled_count_refuses(amount):
    with pytest.raises(ValueError, match='give a count'):
        labeled_count(amount, 10)


def test_fraction_label():
    assert fraction_label('1/30') == '1by30'
    assert fraction_label('8') == '8'
    assert fraction_label('1/15=200') == '1by15'


def test_french_protocol_draws_the_published_indices_nested():
    first = [
        [1687, 2342, 392, 1338, 76, 42, 386, 260],
        [1490, 930, 2124, 2684, 182, 654, 1729, 586],
        [696, 2808, 480, 905, 1723, 1855, 701, 1566],
    ]
    names = [f'{index:04d}' for index in range(FRENCH.total)]
    for seed, expected in zip(FRENCH.seeds, first):
        order = random_order(FRENCH.total, seed)
        assert order[:8].tolist() == expected
        small, middle, large = (make_split(names, order, n) for n in FRENCH.counts.values())
        assert (len(small.labeled), len(middle.labeled), len(large.labeled)) == (100, 372, 744)
        assert middle.labeled[:100] == small.labeled
        assert large.labeled[:372] == middle.labeled
        assert sorted(large.labeled + large.unlabeled) == names


def random_pixels(seed, images=40, classes=7):
    rng = np.random.RandomState(seed)
    chance = np.linspace(0.9, 0.05, classes)
    pixels = rng.randint(1, 1000, (images, classes)) * (rng.rand(images, classes) < chance)
    pixels[seed % images, -1] = 5  # the rarest class is there
    return pixels


@pytest.mark.parametrize('seed', range(5))
def test_stratified_order_covers_classes_first(seed):
    pixels = random_pixels(seed)
    order = random_order(40, seed)
    new = stratified_order(order, pixels)
    assert sorted(new) == list(range(40))
    present = pixels > 0
    existing = present.any(axis=0)
    # No smaller set covers the classes than the prefix that does, up to the known bound of the
    # greedy rule; for two images the bound is exact.
    covering = next(n for n in range(1, 41) if (present[new[:n]].any(0) == existing).all())
    least = next(
        n
        for n in range(1, 8)
        if any(present[list(c)].any(0)[existing].all() for c in combinations(range(40), n))
    )
    assert least <= covering <= least + 1
    # Each step adds as many classes as any image could.
    seen = np.zeros_like(existing)
    for index in new[:covering]:
        assert (present[index] & ~seen).sum() == (present & ~seen).sum(axis=1).max()
        seen |= present[index]


def test_stratified_order_shows_each_class_at_its_median_size():
    pixels = random_pixels(3)
    new = stratified_order(random_order(40, 0), pixels)
    for column in pixels.T:
        assert (column[new[:14]] >= np.median(column[column > 0])).any()


def test_stratified_order_breaks_ties_by_the_permutation():
    pixels = np.full((6, 3), 10)
    order = np.array([4, 2, 0, 5, 1, 3])
    assert stratified_order(order, pixels).tolist() == order.tolist()


def test_stratified_order_with_a_class_that_nobody_shows():
    pixels = np.array([[0, 4], [0, 0], [0, 9]])
    assert stratified_order(np.array([1, 0, 2]), pixels).tolist() == [0, 2, 1]


CITY = ['ulm/ulm_000001_000019', 'bonn/bonn_000001_000019']


@pytest.mark.parametrize(
    ('line', 'names', 'expected'),
    [
        ('leftImg8bit/train/ulm/ulm_000001_000019_leftImg8bit.png', CITY, CITY[0]),
        (
            'leftImg8bit/train/bonn/bonn_000001_000019_leftImg8bit.png '
            'gtFine/train/bonn/bonn_000001_000019_gtFine_labelTrainIds.png',
            CITY,
            CITY[1],
        ),
        ('/images/train/ulm_000001_000019.png\t/segmentation/train/ulm_x.png', CITY, CITY[0]),
        ('2007_000032', ['2007_000032', '2007_000039'], '2007_000032'),
        (
            'JPEGImages/2007_000039.jpg SegmentationClass/2007_000039.png',
            ['2007_000032', '2007_000039'],
            '2007_000039',
        ),
        ('train/img.one.jpg', ['img.one', 'img'], 'img.one'),
        ('train/a_1.png', ['a', 'a_1'], 'a_1'),
    ],
)
def test_match_names_reads_published_formats(line, names, expected):
    assert match_names([line], names) == [expected]


def test_match_names_refuses_unknown_ambiguous_and_repeated_lines():
    with pytest.raises(ValueError, match=r"'x/c.png' fits 0 images"):
        match_names(['x/c.png'], ['a', 'b'])
    with pytest.raises(ValueError, match='fits 2 images'):
        match_names(['a.png'], ['x/a', 'y/a'])
    assert match_names(['root/y/a.png'], ['x/a', 'y/a']) == ['y/a']
    with pytest.raises(ValueError, match='same image a'):
        match_names(['x/a.png', 'y/a.png'], ['a'])


def test_check_no_leak(tmp_path):
    files = {}
    for name, content in {'a': b'one', 'b': b'two', 'c': b'one', 'd': b'three'}.items():
        files[name] = tmp_path / name
        files[name].write_bytes(content)
    check_no_leak({'a': files['a']}, {'b': files['b'], 'd': files['d']})
    with pytest.raises(ValueError, match=r"1 of the training images .* 'a'"):
        check_no_leak({'a': None, 'x': None}, {'a': None})
    with pytest.raises(ValueError, match="'a' and the validation image 'c' have the same content"):
        check_no_leak({'a': files['a']}, {'c': files['c']})
    check_no_leak({'a': files['a']}, {'a': files['b']}, by_name=False)
    with pytest.raises(ValueError, match='same content'):
        check_no_leak({'a': files['a']}, {'a': files['c']}, by_name=False)


def test_class_counts_and_table():
    counts = class_counts(np.array([[3, 0, 1], [0, 0, 4]]))
    assert counts == {'pixels': [3, 0, 5], 'images': [1, 0, 2]}
    lines = class_table(counts, ('road', 'sky', 'car')).splitlines()
    assert lines[1].split() == ['0', 'road', '1', '3', '37.50%']
    assert lines[2].split() == ['1', 'sky', '0', '0', '0.00%']


def test_write_splits(tmp_path):
    manifest = Manifest('toy', 1, '1by2', 'by hand', seed=7)
    split = Split(['b', 'a'], ['c'])
    written = write_splits(tmp_path, [(manifest, split)])
    assert sorted(path.name for path in written) == [
        'toy.1@1by2-unlabeled.txt',
        'toy.1@1by2.json',
        'toy.1@1by2.txt',
    ]
    assert (tmp_path / 'toy.1@1by2.txt').read_text() == 'b\na\n'
    assert (tmp_path / 'toy.1@1by2-unlabeled.txt').read_text() == 'c\n'
    record = json.loads((tmp_path / 'toy.1@1by2.json').read_text())
    assert record['counts'] == {'total': 3, 'labeled': 2, 'unlabeled': 1}
    assert record['seed'] == 7
    assert record['sha256'] == {
        'labeled': sha256_of('b\na\n'),
        'unlabeled': sha256_of('c\n'),
        'names': sha256_of('a\nb\nc'),
    }
    assert write_splits(tmp_path, [(manifest, split)]) == []

    other = Split(['c', 'a'], ['b'])
    fresh = Manifest('toy', 0, '1by2', 'by hand')
    with pytest.raises(FileExistsError, match='holds other images'):
        write_splits(tmp_path, [(fresh, other), (manifest, other)])
    assert not list(tmp_path.glob('toy.0*'))  # nothing is written when anything is refused
    assert len(write_splits(tmp_path, [(manifest, other)], force=True)) == 3
    assert (tmp_path / 'toy.1@1by2.txt').read_text() == 'c\na\n'


@pytest.mark.parametrize('fold', [0, 1, 2])
def test_camvid_lists_of_the_repository(fold):
    small, middle, large = (read_list(LISTS / f'camvid.{fold}@1by{n}.txt') for n in (30, 8, 4))
    assert (len(small), len(middle), len(large)) == (12, 46, 92)
    assert middle[:12] == small
    assert large[:46] == middle
    for fraction, labeled in zip(('1by30', '1by8', '1by4'), (small, middle, large)):
        rest = read_list(LISTS / f'camvid.{fold}@{fraction}-unlabeled.txt')
        assert len(rest) + len(labeled) == len({*rest, *labeled}) == 367
        record = json.loads((LISTS / f'camvid.{fold}@{fraction}.json').read_text())
        assert record['sha256']['labeled'] == sha256_of(LISTS / f'camvid.{fold}@{fraction}.txt')
        assert len(record['classes']['pixels']) == 11
        assert min(record['classes']['pixels']) > 0
