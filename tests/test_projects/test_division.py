import numpy as np
import pytest

from mmseg_contrast.problem import SetupError
from mmseg_contrast.projects.division import divide, group, group_like, look_alike

VIDEOS = [f'clip{clip}_{frame:04d}' for clip in range(4) for frame in range(3)]


@pytest.mark.parametrize(
    ('names', 'how', 'number', 'words'),
    [
        (['a', 'b', 'c'], 'auto', 3, 'each image by itself'),
        ([f'IMG_{index}' for index in range(5)], 'auto', 5, 'each image by itself'),
        ([f'{index}' for index in range(5)], 'auto', 5, 'each image by itself'),
        (VIDEOS, 'auto', 4, '4 groups: names up to the last number'),
        (['x/1', 'x/2', 'y/1'], 'auto', 2, '2 groups: sub-folders'),
        (['x/1', 'x/2', 'y/1'], 'none', 3, 'each image by itself'),
        (['x/1', 'x/2', 'y/1'], 'frames', 3, '3 groups: names up to the last number'),
        (VIDEOS, r'clip(\d)', 4, r'4 groups: --group clip(\d)'),
        (VIDEOS, 'clip[01]', 8, '8 groups: --group clip[01]'),
    ],
)
def test_groups(names, how, number, words):
    if how == 'frames':
        names = [*names]
        groups, said = group(names, how)
        assert groups == {'x/1': 'x/1', 'x/2': 'x/2', 'y/1': 'y/1'}
    groups, said = group(names, how)
    assert len(set(groups.values())) == number and said == words


def test_frames_of_one_video_are_one_group():
    groups, _ = group(VIDEOS)
    for clip in range(4):
        assert len({groups[name] for name in VIDEOS if name.startswith(f'clip{clip}')}) == 1


def test_photos_that_are_numbered_are_frames_only_if_they_look_alike():
    rng = np.random.default_rng(0)
    scene = {clip: rng.random((16, 16)) for clip in range(4)}
    frames = {n: scene[int(n[4])] + 0.1 * rng.random((16, 16)) for n in VIDEOS}
    assert look_alike(frames)
    assert not look_alike({name: rng.random((16, 16)) for name in VIDEOS})
    assert not look_alike({name: rng.random((16, 16)) for name in 'abc'})
    assert not look_alike({'a_1': rng.random((16, 16))})
    assert len(set(group(VIDEOS, alike=False)[0].values())) == len(VIDEOS)
    assert len(set(group(VIDEOS, 'frames', alike=False)[0].values())) == 4


@pytest.mark.parametrize(('how', 'said'), [('(', 'no regular expression'), ('x', 'fits none of')])
def test_a_pattern_that_is_wrong(how, said):
    with pytest.raises(ValueError, match=said):
        group(VIDEOS, how)


@pytest.mark.parametrize(
    ('names', 'how', 'name', 'expected'),
    [
        (VIDEOS, 'auto', 'clip1_9999', 'clip1_#'),
        (VIDEOS, 'auto', 'clip9_0000', None),
        (VIDEOS, r'clip(\d)', 'a/clip2_x', '2'),
        (VIDEOS, 'none', 'clip1_9999', None),
        (['x/1', 'y/1'], 'auto', 'y/77', 'y'),
        (['x/1', 'y/1'], 'auto', 'z/77', None),
        (['a', 'b'], 'auto', 'a', None),
    ],
)
def test_the_group_of_an_unlabelled_image(names, how, name, expected):
    groups, _ = group(names, how)
    assert group_like(name, groups, how) == expected


def split(pixels, groups=None, **options):
    names = [f'n{index}' for index in range(len(pixels))]
    groups = dict(zip(names, groups or names))
    train, val = divide(names, groups, np.asarray(pixels), **options)
    assert sorted(train + val) == sorted(names) and train and val
    assert not {groups[name] for name in train} & {groups[name] for name in val}
    rows = {side: [names.index(name) for name in each] for side, each in zip('tv', (train, val))}
    return train, val, {side: (np.asarray(pixels)[rows[side]] > 0).any(axis=0) for side in 'tv'}


def test_the_share_of_validation():
    for number, expected in ((2, 1), (5, 1), (10, 2), (50, 10)):
        _, val, _ = split(np.ones((number, 2), int))
        assert len(val) == expected


@pytest.mark.parametrize('seed', range(5))
def test_each_class_is_on_both_sides_where_two_images_show_it(seed):
    rng = np.random.default_rng(seed)
    pixels = (rng.random((40, 8)) < 0.4).astype(int)
    pixels[:, 6] = pixels[:, 7] = 0
    pixels[3, 6] = pixels[30, 6] = 5  # two images show it
    pixels[7, 7] = 5  # one image shows it
    train, val, shown = split(pixels, seed=seed)
    assert shown['t'].all()
    assert shown['v'].tolist() == [True] * 7 + [False]
    assert 'n7' in train and 8 <= len(val) <= 20


def test_groups_stay_whole_and_training_keeps_each_class():
    pixels = np.ones((12, 3), int)
    pixels[:, 2] = 0
    pixels[:3, 2] = 4  # in the first group alone
    for seed in range(4):
        train, val, _ = split(pixels, groups=[index // 3 for index in range(12)], seed=seed)
        assert len(val) == 3 and {'n0', 'n1', 'n2'} <= set(train)


def test_what_was_divided_before_stays_where_it_is():
    pixels = np.ones((20, 2), int)
    before = ([f'n{index}' for index in range(8)], ['n8', 'n9', 'gone'])
    train, val, _ = split(pixels, before=before)
    assert set(before[0]) <= set(train) and {'n8', 'n9'} <= set(val) and len(val) == 4
    # new frames of a group follow it
    groups = ['a'] * 10 + ['b'] * 10
    train, val, _ = split(pixels, groups, before=(['n0'], ['n19']))
    assert val == [f'n{index}' for index in range(10, 20)]


@pytest.mark.parametrize(
    ('pixels', 'groups', 'said'),
    [
        ([[1, 1]], None, 'n0 is the only image with a mask'),
        (
            [[1, 1]] * 3,
            [0, 0, 0],
            'all 3 labelled images are one group; give a folder as --val, or',
        ),
        (
            [[1, 0], [1, 0], [0, 1], [0, 1]],
            ['cats', 'cats', 'dogs', 'dogs'],
            'each of the 2 groups of images (',
        ),
        ([[1, 0], [0, 1]], None, 'each of the 2 images ('),
    ],
)
def test_nothing_can_be_validated(pixels, groups, said):
    with pytest.raises(SetupError) as caught:
        split(pixels, groups)
    assert said in str(caught.value)
    hint = '--group none if they are no videos' in str(caught.value)
    assert hint == (groups is not None and len(set(groups)) == 2)
