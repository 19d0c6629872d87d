import random
import re

import numpy as np
import pytest
from mmengine.dataset import RepeatDataset
from mmseg.utils import register_all_modules
from PIL import Image
from tiny_files import base_dataset, files_source

from mmseg_contrast.datasets import CamVidDataset, LoadAnnotations, UnlabeledDataset
from mmseg_contrast.datasets.checks import check_ids
from mmseg_contrast.datasets.scan import Source, parts_of, samples_of, scan, source_of


@pytest.fixture(autouse=True)
def scope():
    register_all_modules()


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
