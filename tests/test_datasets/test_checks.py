import random
import re

import numpy as np
import pytest
from mmengine.dataset import RepeatDataset
from mmseg.datasets import BaseSegDataset
from mmseg.utils import register_all_modules
from PIL import Image

from mmseg_contrast.datasets import CamVidDataset, LoadAnnotations, UnlabeledDataset
from mmseg_contrast.datasets.checks import (
    Scan,
    Source,
    check_absent,
    check_crop,
    check_ids,
    check_left_out,
    check_overlap,
    find_missing,
    parts_of,
    require_images,
    samples_of,
    scan,
    source_of,
)
from mmseg_contrast.datasets.files import classes_of_ids
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


@pytest.fixture
def files(tmp_path):
    for name in 'abc':
        Image.fromarray(np.full((6, 8, 3), ord(name), np.uint8)).save(tmp_path / f'{name}.jpg')
        Image.fromarray(np.full((6, 8), 1, np.uint8)).save(tmp_path / f'{name}.png')
    return tmp_path


def files_source(folder, names='abc', place='labelled images'):
    images = [str(folder / f'{name}.jpg') for name in names]
    masks = [str(folder / f'{name}.png') for name in names]
    return Source(place, samples_of(images, masks), ['x', 'y'])


def test_find_missing(files):
    assert find_missing(files_source(files)) == []
    image, mask = find_missing(files_source(files, 'azy'))
    assert f'2 of 3 images are missing, the first is {files / "z.jpg"}' in image.what
    assert f'2 of 3 masks are missing, the first is {files / "z.png"}' in mask.what
    (nothing,) = find_missing(Source('unlabelled images', []))
    assert nothing.what == 'there is no image'


def test_scan_counts_and_sizes(files):
    result = scan(files_source(files))
    assert result.problems == []
    assert result.sizes == [(6, 8)] * 3
    assert result.stored[:, :2].tolist() == [[0, 48]] * 3


def test_scan_tells_broken_files_wrong_sizes_and_colors(files):
    (files / 'a.jpg').write_bytes((files / 'a.jpg').read_bytes()[:-200])
    Image.fromarray(np.zeros((8, 6), np.uint8)).save(files / 'b.png')
    colors = np.zeros((6, 8, 3), np.uint8)
    colors[0, 0] = 255
    Image.fromarray(colors).save(files / 'c.png')
    broken, size, rgb = scan(files_source(files)).problems
    assert (broken.place, broken.remedy) == (str(files / 'a.jpg'), 'replace the file')
    assert size.what == 'the image is 8 x 6 and its mask 6 x 8'
    assert '2 different colours' in rgb.what
    (files / 'c.png').write_bytes(b'no image')
    assert 'cannot be read (no image)' in scan(files_source(files)).problems[-1].what


def test_scan_passes_over_missing_files(files):
    result = scan(files_source(files, 'az'))
    assert result.problems == []
    assert len(result.sizes) == len(result.stored) == 1


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


def test_spread_covers_the_list():
    images = [str(index) for index in range(100)]
    part = Source('x', samples_of(images, images)).spread(5)
    assert part.images == part.masks == ['0', '25', '50', '74', '99']
    assert Source('x', samples_of(images)).spread(1000).images == images


def test_source_of_data_sets(files):
    prefix = {'img_path': str(files), 'seg_map_path': str(files)}
    labeled = source_of(CamVidDataset(data_prefix=prefix))
    assert [path[-5:] for path in labeled.images] == ['a.jpg', 'b.jpg', 'c.jpg']
    assert [path[-5:] for path in labeled.masks] == ['a.png', 'b.png', 'c.png']
    assert len(labeled.classes) == 11
    assert 'labelled images (' in labeled.place
    dataset = UnlabeledDataset(
        like='CamVidDataset', data_prefix={'img_path': str(files)}, img_suffix='.jpg'
    )
    unlabeled = source_of(dataset)
    assert unlabeled.masks is None
    assert unlabeled.place.startswith('unlabelled images')
    few = CamVidDataset(data_prefix=prefix, metainfo={'classes': ('Road', 'Car')})
    assert source_of(few).label_map[3] == 0
    val = source_of(CamVidDataset(data_prefix=prefix), 'validation images')
    assert val.place == f'validation images ({files})'


def base_dataset(folder, pipeline=(), **more):
    prefix = {'img_path': str(folder), 'seg_map_path': str(folder)}
    known = {'data_prefix': prefix, 'metainfo': {'classes': ('x', 'y')}, **more}
    return BaseSegDataset(pipeline=list(pipeline), **known)


def load_colors(results):
    """An own transform in the place of LoadAnnotations: red is 1, all else 0."""
    colors = np.asarray(Image.open(results['seg_map_path']))
    results['gt_seg_map'] = (colors[..., 0] > 127).astype(np.uint8)
    results['seg_fields'].append('gt_seg_map')
    return results


def test_masks_are_what_the_users_own_transform_makes(files):
    colors = np.zeros((6, 8, 3), np.uint8)
    colors[:2, :, 0] = 255
    for name in 'abc':
        Image.fromarray(colors).save(files / f'{name}.png')
    load = {'type': 'LoadImageFromFile'}
    source = source_of(base_dataset(files, [load, load_colors, {'type': 'PackSegInputs'}]))
    found = scan(source)
    assert found.problems == [] and check_ids(found, source) == []
    assert found.classes[:, :2].tolist() == [[32, 16]] * 3
    assert found.sizes == [(6, 8)] * 3
    (told, *_) = scan(source_of(base_dataset(files, [load, {'type': 'LoadAnnotations'}]))).problems
    assert told.what == 'the mask has 3 channels (2 different colours)'


@pytest.mark.parametrize(
    ('make', 'what'),
    [
        (lambda mask: mask[..., None].repeat(3, 2), r'makes a mask of shape \(6, 8, 3\) of it'),
        (lambda mask: mask[:4], r'the image is 8 x 6, and the pipeline makes a mask of 8 x 4'),
        (lambda mask: mask.astype(int) - 1, r'makes ids from -1 to 0 of it'),
        (lambda mask: mask / 0, r'cannot be read \('),
    ],
)
def test_what_an_own_transform_makes_wrong_is_told_with_the_file(files, make, what):
    def load(results):
        with np.errstate(all='raise'):
            mask = np.zeros((6, 8), np.uint8)
            mask[0] = 1
            results['gt_seg_map'] = make(mask)
        return results

    source = source_of(base_dataset(files, [{'type': 'LoadImageFromFile'}, load]))
    problem = scan(source).problems[0]
    assert problem.place == str(files / 'a.png')
    assert re.search(what, problem.what)


def test_images_are_read_by_the_backend_of_the_pipeline(files):
    tifffile = pytest.importorskip('tifffile')
    for name in 'abc':
        (files / f'{name}.jpg').unlink()
        deep = np.full((6, 8, 3), 40000, np.uint16)
        tifffile.imwrite(files / f'{name}.tif', deep)
    load = {'type': 'LoadImageFromFile', 'imdecode_backend': 'tifffile', 'color_type': 'unchanged'}
    pipeline = [load, {'type': 'LoadAnnotations'}]
    found = scan(source_of(base_dataset(files, pipeline, img_suffix='.tif')))
    assert found.problems == []
    assert found.sizes == [(6, 8)] * 3


def test_scanning_keeps_the_random_numbers(files):
    def draw(results):
        results['drawn'] = random.random() + np.random.rand()
        return results

    source = source_of(base_dataset(files, [draw, {'type': 'LoadImageFromFile'}]))
    random.seed(1)
    np.random.seed(1)
    scan(source)
    assert random.random() == random.Random(1).random()
    assert np.random.rand() == np.random.RandomState(1).rand()


def test_a_mask_after_resizing_is_compared_with_the_image_as_loaded(files):
    pipeline = [
        {'type': 'LoadImageFromFile'},
        {'type': 'Resize', 'scale': (16, 12)},
        {'type': 'LoadAnnotations'},
    ]
    found = scan(source_of(base_dataset(files, pipeline)))
    assert found.problems == [] and found.sizes == [(6, 8)] * 3


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


def test_parts_are_found_in_any_wrapper(files):
    one, two = base_dataset(files), base_dataset(files)
    repeated = {'type': 'RepeatDataset', 'dataset': two, 'times': 3}
    inner = {'type': 'ConcatDataset', 'datasets': [one, repeated]}
    wrapped = RepeatDataset(inner, 2)
    assert [id(part) for part in parts_of(wrapped)] == [id(one), id(two)]
    assert parts_of([1, 2]) == []


def test_stored_ids_are_told_where_the_data_set_maps_them(files):
    sample = samples_of([str(files / 'a.jpg')], [str(files / 'a.png')], label_map={1: 0})
    found = scan(Source('', sample, ['x'], [LoadAnnotations()]))
    assert found.stored[0, :2].tolist() == [0, 48]
    assert found.classes[0, :2].tolist() == [48, 0]


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
