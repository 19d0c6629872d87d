import numpy as np
import pytest
from PIL import Image

from mmseg_contrast.datasets import CamVidDataset, UnlabeledDataset
from mmseg_contrast.datasets.checks import (
    Problem,
    Source,
    check_absent,
    check_crop,
    check_ids,
    check_overlap,
    find_missing,
    scan,
    source_of,
    to_classes,
)


def stored(*values):
    """Counts of one mask that shows each of the values on ten pixels."""
    row = np.zeros((1, 256), np.int64)
    row[0, list(values)] = 10
    return row


def source(classes, **more):
    return Source('masks', [], [], [f'class {i}' for i in range(classes)], **more)


def test_problem_is_one_sentence():
    assert str(Problem('a.png', 'is empty', 'draw it')) == 'a.png: is empty; draw it.'


def test_to_classes_equals_load_annotations(tmp_path):
    from mmseg.datasets.transforms import LoadAnnotations

    rng = np.random.RandomState(0)
    mask = rng.choice([0, 1, 2, 3, 254, 255], (20, 20)).astype(np.uint8)
    Image.fromarray(mask).save(tmp_path / 'mask.png')
    counts = np.bincount(mask.ravel(), minlength=256)[None]
    for reduce in (False, True):
        for label_map in (None, {0: 1, 1: 0, 2: 255}):
            results = {
                'seg_map_path': str(tmp_path / 'mask.png'),
                'reduce_zero_label': reduce,
                'label_map': label_map,
                'seg_fields': [],
            }
            loaded = LoadAnnotations()(results)['gt_seg_map']
            told = to_classes(counts, source(3, reduce_zero_label=reduce, label_map=label_map))
            assert told[0].tolist() == np.bincount(loaded.ravel(), minlength=256).tolist()


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
    (problem,) = check_ids(stored(*values), given)
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
    assert check_ids(stored(*values), given) == []


def test_absent_classes():
    (problem,) = check_absent(stored(0, 2, 255), source(4))
    assert '2 of 4 classes have no pixel: class 1, class 3' in problem.what
    assert check_absent(stored(0, 1), source(2)) == []


@pytest.fixture
def files(tmp_path):
    for name in 'abc':
        Image.fromarray(np.full((6, 8, 3), ord(name), np.uint8)).save(tmp_path / f'{name}.jpg')
        Image.fromarray(np.full((6, 8), 1, np.uint8)).save(tmp_path / f'{name}.png')
    return tmp_path


def files_source(folder, names='abc', place='labelled images'):
    images = [str(folder / f'{name}.jpg') for name in names]
    return Source(place, images, [str(folder / f'{name}.png') for name in names], ['x', 'y'])


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
    part = Source('x', images, images).spread(5)
    assert part.images == part.masks == ['0', '25', '50', '74', '99']
    assert Source('x', images).spread(1000).images == images


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
