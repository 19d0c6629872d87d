import pytest

from mmseg_contrast.problem import SetupError
from mmseg_contrast.projects.pairs import find_masks, find_photos, pair, require_masks


@pytest.fixture
def look(tmp_path):
    """Make empty files, and pair those of `photos` with those of `masks`."""

    def found(photos, masks, mask_folder='masks', ending=None):
        for folder, names in (('photos', photos), (mask_folder, masks)):
            for name in names:
                path = tmp_path / folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        images, folder = tmp_path / 'photos', tmp_path / mask_folder
        files = find_masks(folder, ending)
        return pair(find_photos(images, [folder]), images, files, folder)

    return found


def names(pairs, folder):
    return {n: path.relative_to(folder).as_posix() for n, path in pairs.masks.items()}


@pytest.mark.parametrize(
    ('photo', 'mask'),
    [
        ('a.jpg', 'a.png'),
        ('a.jpg', 'A.PNG'),
        ('a.JPG', 'a.png'),
        ('a.jpg', 'a_mask.png'),
        ('a.jpg', 'a-label.tif'),
        ('a.jpg', 'a.jpg.png'),
        ('a.jpg', 'mask_a.png'),
        ('a.jpg', 'a_gt_fine_v2.png'),
        ('a.jpg', 'a.json'),
        ('a_leftImg8bit.png', 'a_gtFine_labelTrainIds.png'),
        ('a_sat.jpg', 'a_mask.png'),
        ('sub/a.jpg', 'a.png'),
        ('a.jpg', 'sub/a.png'),
        ('Sub/a.jpg', 'sub/a.png'),
    ],
)
def test_a_mask_is_found_by_the_name_of_its_photo(look, tmp_path, photo, mask):
    pairs = look([photo, 'other.png'], [mask])
    assert [*names(pairs, tmp_path / 'masks').values()] == [mask]
    assert next(iter(pairs.masks)).split('.')[0] == photo.split('.')[0]
    assert not pairs.problems


def test_the_photos_without_a_mask_have_none(look, tmp_path):
    pairs = look([f'p{index}.jpg' for index in range(5)], ['p1.png', 'p3.png'])
    assert names(pairs, tmp_path / 'masks') == {'p1': 'p1.png', 'p3': 'p3.png'}
    assert pairs.suffix == '.jpg' and [*pairs.images] == ['p0', 'p1', 'p2', 'p3', 'p4']


def test_names_have_suffixes_where_these_differ(look, tmp_path):
    pairs = look(['a.jpg', 'b.JPG', 'c.PNG'], ['a.png', 'b.png', 'c.png'])
    assert pairs.suffix == ''
    assert names(pairs, tmp_path / 'masks') == {
        'a.jpg': 'a.png',
        'b.JPG': 'b.png',
        'c.PNG': 'c.png',
    }


def test_a_number_alone_is_no_word(look):
    """`p_1_2` is a frame of its own, not a mask of `p_1`."""
    pairs = look(['p_1.jpg'], ['p_1_2.png'])
    assert not pairs.masks
    [problem] = pairs.problems
    assert 'p_1_2.png: no photo has this name; name the mask like its photo' in str(problem)


def test_an_exact_name_goes_first(look, tmp_path):
    pairs = look(['a.jpg', 'a_b.jpg'], ['a.png', 'a_b.png'])
    assert names(pairs, tmp_path / 'masks') == {'a': 'a.png', 'a_b': 'a_b.png'}


def test_sub_folders_decide_between_equal_names(look, tmp_path):
    pairs = look(['x/1.jpg', 'y/1.jpg'], ['x/1.png', 'y/1.png'])
    assert names(pairs, tmp_path / 'masks') == {'x/1': 'x/1.png', 'y/1': 'y/1.png'}


def test_one_mask_that_two_photos_may_have_is_left_out(look):
    pairs = look(['x/1.jpg', 'y/1.jpg', 'z.jpg'], ['1.png', 'z.png'])
    assert [*pairs.masks] == ['z']
    assert 'masks/1.png: 2 photos may be meant' in str(pairs.problems[0])


def test_two_masks_of_a_photo_are_told(look):
    pairs = look(['a.jpg'], ['a_mask.png', 'a_old.png'])
    assert not pairs.masks
    assert 'photos/a.jpg: there are 2 masks of it (a_mask.png, a_old.png)' in str(pairs.problems[0])
    pairs = look(['a.jpg'], ['a_mask.png', 'a_old.png'], ending='_mask.png')
    assert pairs.masks['a'].name == 'a_mask.png'


def test_the_file_of_cityscapes_that_is_taken(look):
    kinds = ('color', 'instanceIds', 'labelIds', 'labelTrainIds')
    pairs = look(['c/x_leftImg8bit.png'], [f'c/x_gtFine_{kind}.png' for kind in kinds])
    [path] = pairs.masks.values()
    assert path.name == 'x_gtFine_labelTrainIds.png' and not pairs.problems


@pytest.mark.parametrize(
    ('files', 'photo', 'mask'),
    [
        (['a.jpg', 'a.png', 'b.jpg'], 'a', 'a.png'),
        (['a.png', 'a_mask.png', 'b.png'], 'a', 'a_mask.png'),
        (['a.png', 'mask_a.png', 'b.png'], 'a', 'mask_a.png'),
        (['a.jpg', 'a.json', 'b.jpg'], 'a', 'a.json'),
    ],
)
def test_photos_and_masks_in_one_folder(look, files, photo, mask):
    pairs = look(files, [], mask_folder='photos')
    assert {name: path.name for name, path in pairs.masks.items()} == {photo: mask}
    assert [*pairs.images] == ['a', 'b']


def test_masks_below_the_photos_are_no_photos(look):
    pairs = look(['a.jpg', 'masks/a.png'], [], mask_folder='photos/masks')
    assert [*pairs.images] == ['a'] and [*pairs.masks] == ['a']


def test_nothing_is_paired(look, tmp_path):
    pairs = look(['a.jpg'], ['x.png'])
    folder = tmp_path / 'masks'
    with pytest.raises(SetupError, match=r'none of its 1 photos has a mask in .*masks \(the first'):
        require_masks(pairs, tmp_path / 'photos', find_masks(folder), folder)


def test_folders_that_are_not_there(tmp_path):
    for find in (find_photos, find_masks):
        with pytest.raises(FileNotFoundError, match='there is no such folder; give that of'):
            find(tmp_path / 'gone')
        with pytest.raises(FileNotFoundError, match='in it'):
            find(tmp_path)
    (tmp_path / 'a.png').touch()
    with pytest.raises(FileNotFoundError, match=r'no file that ends with _m\.png in it'):
        find_masks(tmp_path, '_m.png')
