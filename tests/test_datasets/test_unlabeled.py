import builtins
import shutil

import numpy as np
import pytest
from mmengine.dataset import ConcatDataset
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from PIL import Image

import mmseg_contrast.datasets  # noqa: F401

FIELD = ['sup', 'weak', 'strong']
PACK = dict(type='PackSegInputs')
PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadValidMap'),
    dict(type='MultiBranch', branch_field=FIELD, weak=[PACK], strong=[PACK]),
]


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmseg')


def write_image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.randint(0, 256, (6, 8, 3), dtype=np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    for name in ('b.jpg', 'a.png', 'sub/c.JPG', 'sub/deep/d.tif', 'e.jpeg', 'f.bmp', 'g.TIFF'):
        write_image(tmp_path / 'images' / name)
    (tmp_path / 'images' / 'notes.txt').write_text('no image')
    return tmp_path / 'images'


def build(folder, like='CamVidDataset', **kwargs):
    return DATASETS.build(
        dict(type='UnlabeledDataset', like=like, data_prefix=dict(img_path=str(folder)), **kwargs)
    )


def names(dataset, folder):
    paths = [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]
    return [path.replace(f'{folder}/', '') for path in paths]


def test_folder_is_searched_recursively_and_sorted(folder):
    dataset = build(folder)
    assert names(dataset, folder) == [
        'a.png',
        'b.jpg',
        'e.jpeg',
        'f.bmp',
        'g.TIFF',
        'sub/c.JPG',
        'sub/deep/d.tif',
    ]
    assert all('seg_map_path' not in dataset.get_data_info(i) for i in range(len(dataset)))


def test_suffix_picks_and_completes(tmp_path):
    root = tmp_path / 'images'
    for name in ('x/0_leftImg8bit.png', 'x/1_leftImg8bit.png', 'x/1_disparity.png'):
        write_image(root / name)
    expected = ['x/0_leftImg8bit.png', 'x/1_leftImg8bit.png']
    kwargs = dict(like='CityscapesDataset', img_suffix='_leftImg8bit.png')
    assert names(build(root, **kwargs), root) == expected
    (tmp_path / 'list.txt').write_text('x/1\n\nx/0_leftImg8bit.png\n')
    dataset = build(root, ann_file=str(tmp_path / 'list.txt'), **kwargs)
    assert names(dataset, root) == expected[::-1]
    (tmp_path / 'labeled.txt').write_text('x/1\n')
    dataset = build(root, exclude_list=str(tmp_path / 'labeled.txt'), **kwargs)
    assert names(dataset, root) == expected[:1]


def test_list_with_and_without_suffixes(folder, tmp_path):
    (tmp_path / 'list.txt').write_text('sub/c\n  b.jpg \na\n\nsub/deep/d.tif\n')
    dataset = build(folder, ann_file=str(tmp_path / 'list.txt'))
    assert names(dataset, folder) == ['sub/c.JPG', 'b.jpg', 'a.png', 'sub/deep/d.tif']


def test_python_list_relative_and_absolute(folder, tmp_path):
    write_image(tmp_path / 'elsewhere' / 'z.png')
    dataset = build(folder, images=['e', 'a.png', str(tmp_path / 'elsewhere' / 'z.png')])
    assert names(dataset, folder) == ['e.jpeg', 'a.png', str(tmp_path / 'elsewhere' / 'z.png')]


def test_paths_are_joined_with_the_data_root(folder, tmp_path):
    (tmp_path / 'list.txt').write_text('b\n')
    dataset = DATASETS.build(
        dict(
            type='UnlabeledDataset',
            like='CamVidDataset',
            data_root=str(tmp_path),
            ann_file='list.txt',
            data_prefix=dict(img_path='images'),
        )
    )
    assert names(dataset, folder) == ['b.jpg']


@pytest.mark.parametrize('write', [str, lambda p: f'./{p.name}', lambda p: p.with_suffix('').name])
def test_excluded_images_may_be_written_in_any_way(folder, tmp_path, write):
    paths = sorted(p for p in folder.iterdir() if p.is_file())
    (tmp_path / 'gone.txt').write_text(f'\ufeff{write(paths[0])}\n', encoding='utf-8')
    dataset = build(folder, exclude_list=str(tmp_path / 'gone.txt'))
    left = {dataset.get_data_info(i)['img_path'] for i in range(len(dataset))}
    whole = {info['img_path'] for info in map(build(folder).get_data_info, range(len(dataset) + 1))}
    assert whole - left == {str(paths[0])}


def test_excluded_images_that_the_folder_does_not_have_are_named(folder, tmp_path):
    (tmp_path / 'gone.txt').write_text('tpyo\n')
    with pytest.raises(ValueError, match=r'image tpyo of exclude_list .* is none of the'):
        build(folder, exclude_list=str(tmp_path / 'gone.txt'))


def test_exclude_lists_leave_the_complement(folder, tmp_path):
    (tmp_path / 'one.txt').write_text('a\nsub/c\n')
    (tmp_path / 'two.txt').write_text('sub/deep/d.tif\n')
    lists = [str(tmp_path / 'one.txt'), str(tmp_path / 'two.txt')]
    assert names(build(folder, exclude_list=lists), folder) == [
        'b.jpg',
        'e.jpeg',
        'f.bmp',
        'g.TIFF',
    ]


def test_no_mask_is_opened_and_none_is_needed(folder, tmp_path, monkeypatch):
    """Labelled and unlabelled images lie in one folder; masks of the unlabelled do not exist."""
    masks = tmp_path / 'masks'
    masks.mkdir()
    Image.fromarray(np.full((6, 8), 3, np.uint8)).save(masks / 'b.png')
    (tmp_path / 'labeled.txt').write_text('b\n')
    labeled = dict(
        type='CamVidDataset',
        ann_file=str(tmp_path / 'labeled.txt'),
        data_prefix=dict(img_path=str(folder), seg_map_path=str(masks)),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='MultiBranch', branch_field=FIELD, sup=[PACK]),
        ],
    )
    unlabeled = dict(
        type='UnlabeledDataset',
        like=labeled,
        data_prefix=dict(img_path=str(folder)),
        exclude_list=str(tmp_path / 'labeled.txt'),
        pipeline=PIPELINE,
    )
    dataset = ConcatDataset([DATASETS.build(labeled), DATASETS.build(unlabeled)])
    assert len(dataset) == 7
    assert dataset[0]['data_samples']['sup'].gt_sem_seg.data.unique().tolist() == [3]

    shutil.rmtree(masks)
    opened = []
    real_open = builtins.open
    monkeypatch.setattr(
        builtins, 'open', lambda path, *a, **k: opened.append(str(path)) or real_open(path, *a, **k)
    )
    for i in range(1, 7):
        sample = dataset[i]
        assert sample['inputs']['sup'] is None
        valid = sample['data_samples']['weak'].gt_sem_seg.data
        assert valid.shape == (1, 6, 8) and not valid.any()
        assert 'seg_map_path' not in sample['data_samples']['weak'].metainfo
    images = [path for path in opened if path.startswith(str(tmp_path))]
    assert len(images) == 6 and all(path.startswith(str(folder)) for path in images)


SUBSET = dict(classes=('Car', 'Road'))


@pytest.mark.parametrize(
    'labeled',
    [
        dict(type='CamVidDataset'),
        dict(type='CamVidDataset', metainfo=SUBSET),
        dict(type='CityscapesDataset', metainfo=dict(classes=['car', 'road', 'person'])),
        dict(type='MosaicDataset', reduce_zero_label=True),
        dict(type='GTA5Dataset'),
        dict(type='ADE20KDataset'),  # sets reduce_zero_label by default
        dict(type='BaseSegDataset', metainfo=dict(classes=('x', 'y'))),  # palette is made up
    ],
)
def test_meta_information_equals_the_labeled_one(folder, labeled):
    labeled_dataset = DATASETS.build(dict(**labeled, lazy_init=True))
    unlabeled_dataset = build(folder, like=labeled)
    assert unlabeled_dataset.metainfo == labeled_dataset.metainfo
    assert ConcatDataset([labeled_dataset, unlabeled_dataset], lazy_init=True).datasets


def test_like_does_not_need_the_labeled_files(folder):
    # this class asserts that its list is on disk
    assert len(build(folder, like='PascalVOCDataset').metainfo['classes']) == 21


def test_without_like_classes_differ(folder):
    labeled = DATASETS.build(dict(type='CamVidDataset', lazy_init=True))
    with pytest.raises(ValueError, match='meta information'):
        ConcatDataset([labeled, build(folder, like='MosaicDataset')], lazy_init=True)


def test_lazy_init(folder):
    dataset = build(folder, lazy_init=True)
    assert not dataset._fully_initialized
    assert len(dataset.metainfo['classes']) == 11


def test_bad_input_says_what_and_where(folder, tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match=r'No image with suffix .*/empty'):
        build(tmp_path / 'empty')
    with pytest.raises(FileNotFoundError, match=r'/nowhere does not exist'):
        build(tmp_path / 'nowhere')
    with pytest.raises(FileNotFoundError, match=r'list .*/missing.txt does not exist'):
        build(folder, ann_file=str(tmp_path / 'missing.txt'))
    with pytest.raises(FileNotFoundError, match=r'list .*/missing.txt does not exist'):
        build(folder, exclude_list=str(tmp_path / 'missing.txt'))
    (tmp_path / 'list.txt').write_text('a\nnope\n')
    with pytest.raises(FileNotFoundError, match=r'images/nope of the list .*/list.txt is not on'):
        build(folder, ann_file=str(tmp_path / 'list.txt'))
    with pytest.raises(FileNotFoundError, match=r'images/nope.png of the list `images` is not on'):
        build(folder, images=['nope.png'])
    (tmp_path / 'all.txt').write_text('a\n')
    with pytest.raises(ValueError, match=r'left of the 1 of the list `images`.*all.txt'):
        build(folder, images=['a'], exclude_list=str(tmp_path / 'all.txt'))
    with pytest.raises(ValueError, match='never opens a mask'):
        DATASETS.build(
            dict(
                type='UnlabeledDataset',
                like='CamVidDataset',
                data_prefix=dict(img_path=str(folder), seg_map_path='masks'),
            )
        )
    with pytest.raises(ValueError, match='told of no images'):
        DATASETS.build(dict(type='UnlabeledDataset', like='CamVidDataset'))
    with pytest.raises(ValueError, match=r'both images and ann_file=x.txt'):
        build(folder, images=['a'], ann_file='x.txt')
    with pytest.raises(ValueError, match="like='KamVid'"):
        build(folder, like='KamVid')
