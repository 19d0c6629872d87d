import numpy as np
import pytest
from mmseg.utils import register_all_modules
from PIL import Image
from tiny_files import base_dataset, files_source

from mmseg_contrast.datasets import CamVidDataset, UnlabeledDataset
from mmseg_contrast.datasets.checks import (
    check_absent,
    check_crop,
    check_ids,
    check_left_out,
    check_overlap,
    find_missing,
    require_images,
)
from mmseg_contrast.datasets.files import classes_of_ids
from mmseg_contrast.datasets.scan import Scan, Source, samples_of, source_of
from mmseg_contrast.problem import Problem


@pytest.fixture(autouse=True)
def scope():
    register_all_modules()


def stored(source, *values):
    """What a scan finds of one mask that shows each of the values on ten pixels."""
    row = np.zeros((1, 256), np.int64)
    row[0, list(values)] = 10
    made = np.zeros_like(row)
    np.add.at(made[0], classes_of_ids(source.reduce_zero_label, source.label_map), row[0])
    return Scan(row, made)


def source(classes, **more):
    names = [f'class {i}' for i in range(classes)]
    return Source('masks', samples_of(['x'], ['y'], **more), names)


def test_problem_is_one_sentence():
    assert str(Problem('a.png', 'is empty', 'draw it')) == 'a.png: is empty; draw it.'


@pytest.mark.parametrize(
    ('values', 'given', 'what', 'remedy'),
    [
        ((0, 255), source(2), '0 and 255 alone', 'divide the masks by 255'),
        ((1, 2, 3), source(3), 'ids 1-3, one more than 3', 'reduce_zero_label=True'),
        ((0, 1, 2, 3), source(3), 'ids 0-3, one more than 3', 'reduce_zero_label=True'),
        ((0, 7, 8, 200), source(3), 'ids 0, 7-8, 200, but 3 classes', 'convert the masks'),
        (
            (0, 1, 5),
            source(3, reduce_zero_label=True),
            '0 to 2 after reduce_zero_label',
            'convert the masks',
        ),
        (
            (0, 1, 2),
            source(3, reduce_zero_label=True),
            'takes id 0 away',
            'reduce_zero_label=False',
        ),
        ((255,), source(3), 'each pixel of the masks is ignored', 'class ids'),
    ],
)
def test_wrong_ids_and_their_cause(values, given, what, remedy):
    (problem,) = check_ids(stored(given, *values), given)
    assert what in problem.what
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ('values', 'given'),
    [
        ((0, 1, 2), source(3)),
        ((0, 1, 255), source(3)),
        ((0, 255), source(1)),
        ((0, 1, 2, 3), source(3, reduce_zero_label=True)),
        ((1, 2, 3, 255), source(3, reduce_zero_label=True)),
        ((7, 8, 34), source(2, label_map={7: 0, 8: 1, 34: 255})),
    ],
)
def test_right_ids(values, given):
    assert check_ids(stored(given, *values), given) == []


@pytest.mark.parametrize('ignore', [0, 254])
def test_another_ignored_id(ignore):
    three = source(3)
    assert check_ids(stored(three, ignore, 1, 2), three, {ignore}) == []
    (problem,) = check_ids(stored(three, 1, 2, 255), three, {ignore})
    assert 'ids 1-2, 255, but 3 classes have 0 to 2' in problem.what
    assert f'({ignore} is ignored)' in problem.remedy
    assert check_ids(stored(three, ignore, 1, 2, 255), three, {ignore, 255}) == []


def test_absent_classes():
    (problem,) = check_absent(stored(source(4), 0, 2, 255), source(4))
    assert '2 of 4 classes have no pixel: class 1, class 3' in problem.what
    assert check_absent(stored(source(2), 0, 1), source(2)) == []


def test_find_missing(files):
    assert find_missing(files_source(files)) == []
    image, mask = find_missing(files_source(files, 'azy'))
    assert f'2 of 3 images are missing, the first is {files / "z.jpg"}' in image.what
    assert f'2 of 3 masks are missing, the first is {files / "z.png"}' in mask.what
    (nothing,) = find_missing(Source('unlabelled images', []))
    assert nothing.what == 'there is no image'


def test_overlap_by_path_link_and_content(files, tmp_path):
    first = files_source(files, 'ab')
    (problem,) = check_overlap(first, files_source(files, 'bc', 'validation images'), 'part them')
    assert problem.what.startswith('1 images are also validation images')
    assert problem.what.endswith(str(files / 'b.jpg'))
    assert check_overlap(first, files_source(files, 'c'), '') == []
    (files / 'link.jpg').symlink_to(files / 'a.jpg')
    assert len(check_overlap(first, files_source(files, ['link']), '')) == 1
    (files / 'copy.jpg').write_bytes((files / 'a.jpg').read_bytes())
    assert len(check_overlap(first, files_source(files, ['copy']), '')) == 1


def test_crop():
    assert check_crop([(100, 300), (200, 100)], (200, 300), 'images') == []
    (problem,) = check_crop([(100, 300), (90, 400)], (101, 300), 'images')
    assert 'crop of 101 x 300' in problem.what
    assert 'at most 100 x 400' in problem.what
    assert check_crop([], (9, 9), 'images') == []


def test_images_that_are_left_out_for_their_suffix(files):
    for name in ('d.JPG', 'e.PNG', 'sub/f.jpeg', '.g.JPG', 'x.JPG'):
        path = files / 'photos' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(path)
        mask = files / 'masks' / f'{name.rpartition(".")[0]}.png'
        mask.parent.mkdir(parents=True, exist_ok=True)
        if name[0] != 'x':
            Image.fromarray(np.zeros((6, 8), np.uint8)).save(mask)
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(files / 'photos' / 'a.jpg')
    prefix = {'img_path': str(files / 'photos'), 'seg_map_path': str(files / 'masks')}
    (problem,) = check_left_out(base_dataset(files, data_prefix=prefix), 'labelled images')
    assert problem.what == (
        "3 images with a mask are left out because they do not end with img_suffix='.jpg', the "
        f'first is {files / "photos" / "d.JPG"}'
    )
    (files / 'list.txt').write_text('a\n')
    listed = base_dataset(files, data_prefix=prefix, ann_file=str(files / 'list.txt'))
    assert check_left_out(listed, '') == []
    assert check_left_out(base_dataset(files), '') == [], 'masks beside their images are no images'


def test_long_suffixes_in_other_case_are_left_out_too(files):
    for name in 'abc':
        (files / f'{name}.jpg').unlink()
    for name in ('a_photo.png', 'b_photo.PNG'):
        Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(files / name)
    dataset = base_dataset(files, img_suffix='_photo.png')
    (problem,) = check_left_out(dataset, '')
    assert problem.what.startswith('1 images') and problem.what.endswith('b_photo.PNG')


@pytest.mark.parametrize(
    ('entry', 'told'),
    [('z', ''), ('A', ' (there is a.jpg)'), ('a.jpg', ' (there is a.jpg)')],
)
def test_a_missing_image_is_told_with_its_near_twin(files, entry, told):
    (files / 'list.txt').write_text(f'{entry}\n')
    dataset = base_dataset(files, ann_file=str(files / 'list.txt'))
    missing = find_missing(source_of(dataset))[0]
    assert missing.what.replace(f'{files}/', '').endswith(f'the first is {entry}.jpg{told}')


def test_a_byte_order_mark_is_told(files):
    (files / 'list.txt').write_text('\ufeffa\nb\n', encoding='utf-8')
    missing = find_missing(source_of(base_dataset(files, ann_file=str(files / 'list.txt'))))[0]
    assert missing.remedy.startswith('save the list as UTF-8 without byte order mark')


def test_line_ends_of_windows_are_read(files):
    (files / 'list.txt').write_bytes(b'a\r\nb\r\n')
    assert find_missing(source_of(base_dataset(files, ann_file=str(files / 'list.txt')))) == []


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (
            {'data_root': 'nowhere'},
            r'the folder nowhere of train .*\(see docs/data/camvid\.md: tools/dataset_conv',
        ),
        (
            {'ann_file': 'no.txt'},
            r'the list no\.txt of train .* tools/misc/split_dataset\.py \(see docs/data/camvid\.md',
        ),
    ],
)
def test_what_is_not_there_is_told_with_the_page_of_the_data_set(files, change, said):
    cfg = {'type': 'CamVidDataset', 'data_prefix': {'img_path': str(files)}}
    require_images(cfg, 'train')
    with pytest.raises(FileNotFoundError, match=said):
        require_images({**cfg, **change}, 'train')


def test_missing_files_are_told_with_the_page_of_the_data_set(files):
    (files / 'list.txt').write_text('z\n')
    prefix = {'img_path': str(files), 'seg_map_path': str(files)}
    dataset = CamVidDataset(data_prefix=prefix, ann_file=str(files / 'list.txt'))
    for problem in find_missing(source_of(dataset)):
        assert 'docs/data/camvid.md: tools/dataset_converters/camvid.py writes it' in problem.remedy
    with pytest.raises(FileNotFoundError, match=r'add the image \(see docs/data/camvid\.md: '):
        UnlabeledDataset(
            like='CamVidDataset',
            ann_file=str(files / 'list.txt'),
            data_prefix={'img_path': str(files)},
        )
