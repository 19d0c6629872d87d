"""Every file of configs/_base_/datasets, run on a small tree of files in its layout."""

from pathlib import Path

import numpy as np
import pytest
from mmengine import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from PIL import Image

import mmseg_contrast.datasets  # noqa: F401

CONFIGS = Path(__file__).parents[2] / 'configs' / '_base_' / 'datasets'
# supervised config and its image size (h, w); the semi-supervised one is named after it
SIZES = {
    'bdd100k': (36, 64),
    'camvid': (36, 48),
    'camvid-320x240': (36, 48),
    'cityscapes': (32, 64),
    'cityscapes-512x512': (32, 64),
    'cityscapes-full': (32, 64),
    'cityscapes-full-512x512': (32, 64),
    'mosaic': (96, 96),
    'msrc21': (32, 48),
    'voc12aug': (50, 37),
    'voc12aug-321x321': (50, 37),
}
SEMI = {name: name.replace('-full', '') + '-semi' for name in SIZES}
SEMI['cityscapes-full'] = 'cityscapes-semi-full'
for name in ('cityscapes-512x512', 'cityscapes-full-512x512', 'voc12aug-321x321'):
    SEMI[name] = name[:-7] + 'semi' + name[-8:]
# bases that a recipe completes, by a config that has both
# other views of a set above, and what several bases share
VARIANTS = ('camvid-320x240-semi-mild', 'mosaic-semi-views', 'weak_and_mild', 'weak_and_strong')
COMPLETE = {
    'camvid': 'baselines/sup_mobilenetv2_camvid-1by30-192x192',
    'camvid-semi': 'c3semiseg/c3semiseg_mobilenetv2_camvid-semi-1by30-192x192',
    'msrc21': 'baselines/sup_mobilenetv2_msrc21-21-192x192',
    'msrc21-semi': 'c3semiseg/c3semiseg_mobilenetv2_msrc21-semi-21-192x192',
}
NAMES = {
    'dataset_type',
    'data_root',
    'crop_size',
    'labeled_list',
    'geometry',
    'test_pipeline',
    'tta_pipeline',
    'tta_model',
    'train_dataloader',
    'val_dataloader',
    'test_dataloader',
    'val_evaluator',
    'test_evaluator',
}
SEMI_NAMES = NAMES | {
    'unlabeled_list',
    'batch_size',
    'branches',
}


def load(name):
    base = CONFIGS / f'{name}.py'
    return Config.fromfile(
        CONFIGS.parents[1] / f'{COMPLETE[name]}.py' if name in COMPLETE else base
    )


def sources(cfg):
    return cfg.train_dataloader.dataset.datasets


def write(folder, stem, suffix, pixels):
    path = Path(folder) / f'{stem}{suffix}'
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_tree(cfg, size):
    """Writes three labelled and three unlabelled images, and one for validation."""
    suffixes = dict(
        CityscapesDataset=('_leftImg8bit.png', '_gtFine_labelTrainIds.png'),
        MosaicDataset=('.png', '.png'),
    )
    suffix, mask_suffix = suffixes.get(cfg.dataset_type, ('.jpg', '.png'))
    # zero stands for what a transform has filled in
    image = np.random.randint(60, 255, (*size, 3), dtype=np.uint8)
    mask = np.random.randint(0, 3, size, dtype=np.uint8)
    prefix = sources(cfg)[0].data_prefix
    for stem in 'abc':
        write(prefix.img_path, stem, suffix, image)
        write(prefix.seg_map_path, stem, mask_suffix, mask)
    for stem in 'xyz':
        write(prefix.img_path, stem, suffix, image)
    val = cfg.val_dataloader.dataset
    write(Path(val.data_root) / val.data_prefix.img_path, 'v', suffix, image)
    write(Path(val.data_root) / val.data_prefix.seg_map_path, 'v', mask_suffix, mask)
    lists = {cfg.labeled_list: 'a\nb\nc\n', cfg.get('unlabeled_list'): 'x\ny\nz\n'}
    if val.get('ann_file'):
        lists[str(Path(val.data_root) / val.ann_file)] = 'v\n'
    for path, text in lists.items():
        if path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(text)


def first_batch(dataloader):
    dataloader = dict(dataloader, num_workers=0, persistent_workers=False)
    return next(iter(Runner.build_dataloader(dataloader, seed=0)))


@pytest.fixture
def workdir(tmp_path, monkeypatch):
    init_default_scope('mmseg')
    monkeypatch.chdir(tmp_path)
    # a config takes the lists of the package where there are none of its own
    root = CONFIGS.parents[2]
    for path in (root / 'data_lists').rglob('*.txt'):
        own = tmp_path / path.relative_to(root)
        own.parent.mkdir(parents=True, exist_ok=True)
        own.touch()


def test_all_files_are_tested():
    assert {path.stem for path in CONFIGS.glob('*.py')} == {
        *SIZES,
        *SEMI.values(),
        'gta5-cityscapes-semi',
        *VARIANTS,
    } - {name for name in COMPLETE if name.endswith('-semi')}


@pytest.mark.parametrize('name', sorted(SIZES))
def test_supervised(workdir, name):
    cfg = load(name)
    assert set(cfg) >= NAMES
    steps = sources(cfg)[0].pipeline
    order = [step.type for step in steps]
    if 'RandomRotate' in order:
        assert order.index('RandomRotate') < order.index('RandomCrop')
        assert steps[order.index('RandomRotate')].seg_pad_val == 255
    write_tree(cfg, SIZES[name])
    batch = first_batch(cfg.train_dataloader)
    assert len(batch['inputs']) == cfg.train_dataloader.batch_size
    for image, sample in zip(batch['inputs'], batch['data_samples']):
        assert image.shape[1:] == sample.gt_sem_seg.data.shape[1:]
        assert all(side <= crop for side, crop in zip(image.shape[1:], cfg.crop_size))
        assert set(sample.gt_sem_seg.data.unique().tolist()) <= {0, 1, 2, 255}
    batch = first_batch(cfg.val_dataloader)
    assert batch['data_samples'][0].gt_sem_seg.data.shape[1:] == SIZES[name]
    assert batch['data_samples'][0].ori_shape == SIZES[name]
    tta = dict(cfg.test_dataloader, dataset=dict(cfg.test_dataloader.dataset))
    tta['dataset']['pipeline'] = cfg.tta_pipeline
    assert len(first_batch(tta)['inputs']) % 2 == 0


@pytest.mark.parametrize('name', sorted(SIZES))
def test_semi_supervised(workdir, name):
    cfg, supervised = load(SEMI[name]), load(name)
    assert set(cfg) >= SEMI_NAMES
    # the baseline sees its labelled images as the method does
    assert cfg.geometry == supervised.geometry
    assert cfg.labeled_list == supervised.labeled_list
    assert sources(cfg)[0].pipeline[:-1] == sources(supervised)[0].pipeline[:-1]
    assert cfg.val_dataloader == supervised.val_dataloader
    ratio = cfg.train_dataloader.sampler.source_ratio
    share = cfg.batch_size * ratio[0] // sum(ratio)
    assert share == supervised.train_dataloader.batch_size

    write_tree(cfg, SIZES[name])
    batch = first_batch(cfg.train_dataloader)
    for branch in ('sup', *cfg.branches):
        images, samples = batch['inputs'][branch], batch['data_samples'][branch]
        here = slice(0, share) if branch == 'sup' else slice(share, None)
        assert [image is not None for image in images] == [
            (i < share) == (branch == 'sup') for i in range(cfg.batch_size)
        ]
        for image, sample in zip(images[here], samples[here]):
            assert image.shape[1:] == sample.gt_sem_seg.data.shape[1:]
            valid = sample.gt_sem_seg.data[0] != 255
            if branch == 'weak':
                # whatever is certainly no image is not valid
                assert not (valid & (image == 0).all(dim=0)).any()
            if branch != 'sup':
                assert set(sample.gt_sem_seg.data.unique().tolist()) <= {0, 255}
    weak, *others = (
        [sample.metainfo for sample in batch['data_samples'][branch][share:]]
        for branch in cfg.branches
    )
    assert all(other == weak for other in others)
    assert {Path(meta['img_path']).name[0] for meta in weak} <= set('xyz')


def test_gta5_is_a_third_source(workdir):
    cfg = load('gta5-cityscapes-semi')
    write_tree(cfg, (32, 64))
    prefix = sources(cfg)[1].data_prefix
    write(prefix.img_path, '1', '.png', np.full((20, 36, 3), 9, np.uint8))
    write(prefix.seg_map_path, '1', '.png', np.full((20, 36), 26, np.uint8))
    batch = first_batch(cfg.train_dataloader)
    place = {'sup': slice(0, 5), 'source': slice(5, 10), 'weak': slice(10, 12)}
    for branch, own in place.items():
        samples = batch['data_samples'][branch]
        assert [x is not None for x in samples] == [i in range(12)[own] for i in range(12)]
    for sample in batch['data_samples']['source'][place['source']]:
        assert set(sample.gt_sem_seg.data.unique().tolist()) <= {13, 255}  # car
