from pathlib import Path

import numpy as np
import pytest
import zoo
from mmengine.config import Config
from mmseg.registry import DATASETS
from PIL import Image

import mmseg_contrast  # noqa: F401  (registers its parts)
from mmseg_contrast.problem import SetupError
from mmseg_contrast.projects.configs import Recipe
from mmseg_contrast.projects.inspection import Question
from mmseg_contrast.projects.project import Request, as_png, make_project

CONFIGS = Path(__file__).parents[2] / 'configs'


@pytest.fixture
def make(tmp_path):
    """Make a project of the folders ``photos`` and ``masks``."""

    def project(**more):
        recipe = Recipe(CONFIGS, 'c3semiseg', 'fpn_r18-narrow')
        made = dict(
            images=tmp_path / 'photos', masks=tmp_path / 'masks', out=tmp_path / 'p', recipe=recipe
        )
        return make_project(Request(**{**made, **more}))

    return project


def lists(root):
    return {path.stem: path.read_text().split() for path in (root / 'p/lists').iterdir()}


def sets(root):
    """Build the data sets of the semi-supervised config, and return them."""
    cfg = Config.fromfile(root / 'p/semi.py')
    labeled, unlabeled = cfg.train_dataloader.dataset.datasets
    wanted = (labeled, unlabeled, cfg.val_dataloader.dataset)
    return [DATASETS.build({**each, 'pipeline': []}) for each in wanted]


def test_a_project(make, tmp_path):
    zoo.folders(tmp_path, zoo.of_colors, number=20, labeled=10)
    before = {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()}
    project = make()
    named = lists(tmp_path)
    assert [len(named[side]) for side in ('train', 'val', 'unlabeled')] == [8, 2, 10]
    assert sorted(named['train'] + named['val']) == sorted(f'p{i}' for i in range(10))
    assert named['unlabeled'] == sorted(f'p{index}' for index in range(10, 20))
    assert project.configs == ['supervised.py', 'semi.py'] and not project.kept
    for dataset, side in zip(sets(tmp_path), ('train', 'unlabeled', 'val')):
        assert len(dataset) == len(named[side])
        assert [Path(info['img_path']).stem for info in dataset] == named[side]
        assert dataset.metainfo['classes'] == ('class_0', 'class_1', 'class_2')
        for info in dataset if side != 'unlabeled' else ():
            index = int(Path(info['img_path']).stem[1:])
            stored = np.asarray(Image.open(info['seg_map_path']))
            expected = np.array([0, 2, 1])[zoo.classes(seed=index)]  # black, green, red
            np.testing.assert_array_equal(stored, expected)
    assert {path: path.read_bytes() for path in before} == before  # the originals


def test_masks_that_are_ids_are_used_where_they_are(make, tmp_path):
    zoo.folders(tmp_path, zoo.of_ids)
    make()
    assert not (tmp_path / 'p/annotations').exists()
    assert Path(sets(tmp_path)[0][0]['seg_map_path']).parent == tmp_path / 'masks'


def test_photos_with_several_suffixes(make, tmp_path):
    zoo.folders(tmp_path, zoo.of_ids)
    for name, suffix in (('p0', '.JPG'), ('p1', '.PNG'), ('p7', '.bmp')):
        zoo.photo(tmp_path / f'photos/{name}{suffix}', seed=50)
        (tmp_path / f'photos/{name}.jpg').unlink()
        zoo.photo(tmp_path / f'photos/{name}{suffix}', seed=int(name[1]) + 60)
    make()
    labeled, unlabeled, val = sets(tmp_path)
    for dataset in (labeled, val):
        for info in dataset:
            assert Path(info['img_path']).is_file() and Path(info['seg_map_path']).is_file()
    assert len(labeled) + len(val) == 4 and len(unlabeled) == 4


def test_new_photos_and_masks_are_taken_in(make, tmp_path):
    zoo.folders(tmp_path, zoo.of_colors, number=20, labeled=10)
    make()
    before = lists(tmp_path)
    zoo.masks(tmp_path / 'masks', zoo.of_colors, 16)
    zoo.photo(tmp_path / 'photos/new.jpg', seed=99)
    (tmp_path / 'photos/p19.jpg').unlink()
    zoo.of_colors(tmp_path / f'masks/{before["train"][0]}.png', np.zeros(zoo.SIZE, np.uint8))
    make()
    after = lists(tmp_path)
    assert set(before['train']) <= set(after['train']) and set(before['val']) <= set(after['val'])
    assert [len(after[side]) for side in ('train', 'val', 'unlabeled')] == [13, 3, 4]
    assert 'new' in after['unlabeled'] and 'p19' not in after['unlabeled']
    assert not np.asarray(Image.open(tmp_path / f'p/annotations/{before["train"][0]}.png')).any()
    # a photo whose mask is gone is unlabelled, and its class ids are deleted
    (tmp_path / f'masks/{before["train"][1]}.png').unlink()
    make()
    assert before['train'][1] in lists(tmp_path)['unlabeled']
    assert not (tmp_path / f'p/annotations/{before["train"][1]}.png').exists()


def test_a_new_colour_is_the_next_class(make, tmp_path):
    zoo.folders(tmp_path, lambda path, ids: zoo.of_colors(path, np.minimum(ids, 1)))
    assert make().findings.encoding.palette == [(0, 0, 0), (255, 0, 0)]
    zoo.masks(tmp_path / 'masks', zoo.of_colors)
    assert make().findings.encoding.palette == [(0, 0, 0), (255, 0, 0), (0, 128, 0)]


def test_what_was_changed_by_hand_is_kept(make, tmp_path):
    zoo.folders(tmp_path, zoo.of_colors)
    make()
    path = tmp_path / 'p/dataset.py'
    mine = path.read_text().replace("'class_1'", "'leaf'")
    path.write_text(mine)
    mask = next((tmp_path / 'p/annotations').iterdir())
    mask.write_bytes(as_png(np.ones(zoo.SIZE, np.uint8), [(0, 0, 0)]))
    zoo.photo(tmp_path / 'photos/new.jpg', seed=99)
    project = make()
    assert project.kept == [f'annotations/{mask.name}', 'dataset.py']
    assert path.read_text() == mine and np.asarray(Image.open(mask)).all()
    assert 'new' in lists(tmp_path)['unlabeled']
    assert sets(tmp_path)[0].metainfo['classes'] == ('class_0', 'leaf', 'class_2')


def test_lists_that_were_changed_by_hand_are_kept(make, tmp_path):
    zoo.folders(tmp_path, zoo.of_ids)
    make()
    path = tmp_path / 'p/lists/train.txt'
    kept = path.read_text().split()[:2]
    path.write_text('\n'.join(kept) + '\n')
    before = lists(tmp_path)
    zoo.photo(tmp_path / 'photos/new.jpg', seed=99)
    project = make()
    assert lists(tmp_path) == before and project.sides.train == kept
    assert project.not_listed == 2  # the new one, and one that was taken off
    assert 'lists/train.txt' in project.kept


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (
            lambda root: zoo.masks(root / 'masks', zoo.of_colors),
            'names 2 classes, but the masks show 3; add names and colours to it',
        ),
        (
            lambda root: (root / 'photos').rename(root / 'pictures'),
            'it was changed by hand and says images = ',
        ),
    ],
)
def test_a_changed_config_that_does_not_fit_any_more(make, tmp_path, change, said):
    zoo.folders(tmp_path, lambda path, ids: zoo.of_colors(path, np.minimum(ids, 1)))
    make()
    path = tmp_path / 'p/dataset.py'
    path.write_text(path.read_text() + '# mine\n')
    change(tmp_path)
    images = next(path for path in tmp_path.iterdir() if path.name in ('photos', 'pictures'))
    with pytest.raises(SetupError) as caught:
        make(images=images)
    assert said in str(caught.value) and str(path) in str(caught.value)


def test_groups_stay_whole_unlabelled_photos_too(make, tmp_path):
    for folder in 'abcd':
        zoo.photos(tmp_path / 'photos' / folder, 5)
        for path in (tmp_path / 'photos' / folder).iterdir():
            zoo.photo(path, seed=ord(folder) * 100 + int(path.stem[1:]))
        zoo.masks(tmp_path / 'masks' / folder, zoo.of_ids, 2)
    project = make()
    assert project.sides.how == '4 groups: sub-folders; seed 0'
    folders = {s: {n[0] for n in getattr(project.sides, s)} for s in ('train', 'val', 'unlabeled')}
    assert len(folders['val']) == 1 and folders['train'] == folders['unlabeled']
    assert not folders['val'] & folders['train'] and project.sides.related == 3
    assert make(group='none', out=tmp_path / 'q').sides.related == 0


@pytest.mark.parametrize('given', [True, False])
def test_a_folder_for_validation(make, tmp_path, given):
    for folder, seed in (('train', 0), ('val', 100)):
        for index in range(6):
            zoo.photo(tmp_path / f'photos/{folder}/p{index}.jpg', seed=seed + index)
        zoo.masks(tmp_path / 'masks' / folder, zoo.of_ids, 3)
    project = make(val=tmp_path / 'photos/val' if given else None)
    assert project.sides.val == ['val/p0', 'val/p1', 'val/p2'] and project.sides.related == 3
    assert project.sides.train == ['train/p0', 'train/p1', 'train/p2']
    assert len(sets(tmp_path)[2]) == 3


def test_a_folder_for_validation_elsewhere(make, tmp_path):
    zoo.folders(tmp_path, zoo.of_zero_and_255)
    zoo.folders(tmp_path / 'other', zoo.of_zero_and_255, 3, 2)
    for path in (tmp_path / 'other/photos').iterdir():
        zoo.photo(path, seed=200 + int(path.stem[1:]))
    project = make(val=tmp_path / 'other/photos', val_masks=tmp_path / 'other/masks')
    assert project.sides.val == ['other/photos/p0', 'other/photos/p1']
    assert len(project.sides.train) == 4
    for dataset in sets(tmp_path):
        for info in dataset:
            assert Path(info['img_path']).is_file()
            assert Path(info.get('seg_map_path', info['img_path'])).is_file()


def test_no_photo_without_a_mask(make, tmp_path):
    zoo.folders(tmp_path, zoo.of_ids, number=4)
    assert make().configs == ['supervised.py']
    assert not (tmp_path / 'p/semi.py').exists()


def test_all_labels_are_for_validation(make, tmp_path):
    zoo.folders(tmp_path, zoo.of_ids)
    with pytest.raises(
        SetupError, match='no photo with a mask is left for training, which needs 2'
    ):
        make(val=tmp_path / 'photos')


def test_what_is_left_out_is_listed(make, tmp_path):
    zoo.folders(tmp_path, zoo.of_ids)
    (tmp_path / 'photos/p0.jpg').write_bytes(b'')
    make()
    text = (tmp_path / 'p/left_out.txt').read_text()
    assert f'{tmp_path / "photos/p0.jpg"}: cannot be read (it is empty); replace the file.' in text
    zoo.photo(tmp_path / 'photos/p0.jpg')
    make()
    assert not (tmp_path / 'p/left_out.txt').exists()


def test_nothing_is_written_if_the_folders_cannot_be_used(make, tmp_path):
    zoo.folders(tmp_path, zoo.of_jpeg)
    with pytest.raises(SetupError):
        make()
    assert not (tmp_path / 'p').exists()


def test_what_is_said_of_masks(make, tmp_path):
    zoo.folders(tmp_path, zoo.of_instances)
    project = make(question=Question(['ground', 'plant'], 'instances'))
    assert project.findings.encoding.names == ['ground', 'plant']
    stored = np.asarray(Image.open(tmp_path / 'p/annotations/p3.png'))
    assert np.unique(stored).tolist() == [0, 1]


def test_labels_of_polygons_keep_their_classes(make, tmp_path):
    zoo.folders(tmp_path, zoo.of_labelme)
    assert make().findings.encoding.names == ['background', 'cat', 'dog']
    path = tmp_path / 'masks/p0.json'
    path.write_text(path.read_text().replace('"cat"', '"ant"'))
    assert make().findings.encoding.names == ['background', 'cat', 'dog', 'ant']


def test_class_ids_as_png(tmp_path):
    classes = np.array([[0, 1, 255]], np.uint8)
    (tmp_path / 'm.png').write_bytes(as_png(classes, [(1, 2, 3), (4, 5, 6)]))
    with Image.open(tmp_path / 'm.png') as image:
        np.testing.assert_array_equal(np.asarray(image), classes)
        shown = np.asarray(image.convert('RGB'))
    assert shown.tolist() == [[[1, 2, 3], [4, 5, 6], [255, 255, 255]]]
