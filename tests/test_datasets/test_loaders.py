"""The data loaders of configs: what a config's variables become."""

import pytest
from mmengine.config import Config, ConfigDict

from mmseg_contrast.datasets import loaders
from mmseg_contrast.datasets.loaders import (
    multi_scale,
    single_scale,
    single_scale_with_mask,
    train_loader,
    val_loader,
)

LOAD, MASK, VALID, PACK = (
    dict(type=kind)
    for kind in ('LoadImageFromFile', 'LoadAnnotations', 'LoadValidMap', 'PackSegInputs')
)
CROP = dict(type='RandomCrop', crop_size=(4, 6))
FLIP = dict(type='RandomFlip', prob=0.5)
JITTER = dict(type='ColorJitter', hue=0.1)


def variables(**more):
    return dict(
        _base_=ConfigDict(),
        dataset_type='MosaicDataset',
        data_root='root',
        train_prefix=dict(img_path='images', seg_map_path='masks'),
        val_prefix=dict(img_path='val/images', seg_map_path='val/masks'),
        labeled_list='labeled.txt',
        **{'geometry': dict(crop=CROP, flip=FLIP), **more},
        test_pipeline=[LOAD],
        batch_size=2,
        num_workers=3,
    )


def semi(**more):
    return variables(
        unlabeled_list='unlabeled.txt',
        source_ratio=[1, 3],
        branches=dict(weak={}, strong=dict(jitter=JITTER)),
        **more,
    )


def sources(config):
    return train_loader(config)['dataset']['datasets']


def test_labelled_images_alone():
    assert train_loader(variables()) == dict(
        batch_size=2,
        num_workers=3,
        persistent_workers=True,
        sampler=dict(type='MultiSourceSampler', batch_size=2, source_ratio=[1]),
        dataset=dict(
            type='MultiSourceDataset',
            datasets=[
                dict(
                    type='MosaicDataset',
                    ann_file='labeled.txt',
                    data_prefix=dict(img_path='root/images', seg_map_path='root/masks'),
                    pipeline=[LOAD, MASK, CROP, FLIP, PACK],
                )
            ],
        ),
    )


def test_labelled_and_unlabelled_images():
    loader = train_loader(semi(img_suffix='.jpeg'))
    assert loader['sampler']['source_ratio'] == [1, 3]
    labeled, unlabeled = loader['dataset']['datasets']
    field = ['sup', 'weak', 'strong']
    assert labeled['pipeline'] == [
        LOAD,
        MASK,
        CROP,
        FLIP,
        dict(type='MultiBranch', branch_field=field, sup=[PACK]),
    ]
    assert unlabeled == dict(
        type='UnlabeledDataset',
        like='MosaicDataset',
        img_suffix='.jpeg',
        ann_file='unlabeled.txt',
        data_prefix=dict(img_path='root/images'),
        pipeline=[
            LOAD,
            VALID,
            CROP,
            FLIP,
            dict(type='MultiBranch', branch_field=field, weak=[PACK], strong=[JITTER, PACK]),
        ],
    )


def test_geometry_and_colours_of_the_labelled_images_alone():
    labeled, unlabeled = sources(semi(labeled_geometry=dict(flip=FLIP), colors=dict(jitter=JITTER)))
    assert labeled['pipeline'][2:-1] == [FLIP, JITTER]
    assert unlabeled['pipeline'][2:-1] == [CROP, FLIP]
    labeled, unlabeled = sources(semi(unlabeled_geometry=dict(flip=FLIP, crop=CROP)))
    assert labeled['pipeline'][2:-1] == [CROP, FLIP]
    assert unlabeled['pipeline'][2:-1] == [FLIP, CROP]


def test_geometry_without_sizes_takes_those_of_the_data_set():
    geometry = dict(
        resize=dict(type='RandomResize', ratio_range=(0.5, 2.0)),
        twice=dict(type='Resize', scale_factor=2.0),
        crop=dict(type='RandomCrop'),
        flip=dict(type='RandomFlip', prob=0.5),
    )
    sized = [
        dict(type='RandomResize', ratio_range=(0.5, 2.0), scale=(48, 32)),
        dict(type='Resize', scale_factor=2.0),
        dict(type='RandomCrop', crop_size=(16, 24)),
        dict(type='RandomFlip', prob=0.5),
    ]
    labeled, unlabeled = sources(semi(geometry=geometry, image_scale=(48, 32), crop_size=(16, 24)))
    assert labeled['pipeline'][2:-1] == unlabeled['pipeline'][2:-1] == sized


def test_branches_of_the_labelled_images():
    (source,) = sources(variables(labeled_branches=dict(sup={}, seen=dict(jitter=JITTER))))
    assert source['pipeline'][-1] == dict(
        type='MultiBranch', branch_field=['sup', 'seen'], sup=[PACK], seen=[JITTER, PACK]
    )


def test_pseudo_labels_are_a_second_labelled_set():
    config = variables(unlabeled_list='others.txt', pseudo_labels='made', source_ratio=[1, 4])
    labeled, pseudo = sources(config)
    assert pseudo == dict(
        labeled,
        ann_file='others.txt',
        data_prefix=dict(img_path='root/images', seg_map_path='made'),
        seg_map_suffix='.png',
    )


def test_another_domain_has_the_variables_of_the_first_but_for_its_own():
    fields = ['sup', 'source', 'weak', 'strong']
    labeled, domain, unlabeled = sources(
        semi(
            source_domain=dict(
                dataset_type='GTA5Dataset',
                data_root='gta',
                labeled_list=None,
                geometry=dict(crop=dict(crop_size=(8, 8))),
                labeled_branches=dict(source={}),
            )
        )
    )
    assert domain == dict(
        type='GTA5Dataset',
        data_prefix=dict(img_path='gta/images', seg_map_path='gta/masks'),
        pipeline=[
            LOAD,
            MASK,
            dict(CROP, crop_size=(8, 8)),
            FLIP,
            dict(type='MultiBranch', branch_field=fields, source=[PACK]),
        ],
    )
    assert labeled['type'] == 'MosaicDataset' and unlabeled['type'] == 'UnlabeledDataset'
    for source, names in ((labeled, {'sup'}), (unlabeled, {'weak', 'strong'})):
        views = source['pipeline'][-1]
        assert views['branch_field'] == fields and views.keys() - {'type', 'branch_field'} == names


OWN = dict(
    metainfo=dict(classes=('soil', 'weed'), palette=[[0, 0, 0], [0, 200, 0]]),
    img_suffix='.JPG',
    seg_map_suffix='_mask.png',
    reduce_zero_label=True,
)


def test_a_data_set_of_ones_own_tells_what_its_class_does_not_know():
    labeled, unlabeled = sources(semi(**OWN))
    validation = val_loader(semi(**OWN))['dataset']
    for source in (labeled, validation):
        assert {name: source[name] for name in OWN} == OWN
    assert unlabeled['like'] == dict(
        type='MosaicDataset', metainfo=OWN['metainfo'], reduce_zero_label=True
    )
    assert unlabeled['img_suffix'] == '.JPG' and 'seg_map_suffix' not in unlabeled


def test_folders_may_lie_outside_the_root():
    config = semi()
    config['train_prefix'] = dict(img_path='/photos', seg_map_path='masks')
    labeled, unlabeled = sources(config)
    assert labeled['data_prefix'] == dict(img_path='/photos', seg_map_path='root/masks')
    assert unlabeled['data_prefix'] == dict(img_path='/photos')


def test_lists_of_the_package_are_found_from_any_folder(tmp_path, monkeypatch):
    listed = 'data_lists/camvid/camvid.0@1by8.txt'
    own = tmp_path / '.mim' / listed
    own.parent.mkdir(parents=True)
    own.touch()
    monkeypatch.setattr(loaders, '_PACKAGE', tmp_path)
    monkeypatch.chdir(tmp_path)
    config = semi()
    config.update(labeled_list=listed, unlabeled_list='data_lists/mine.txt')
    assert [each['ann_file'] for each in sources(config)] == [str(own), 'data_lists/mine.txt']
    here = tmp_path / listed
    here.parent.mkdir(parents=True)
    here.touch()
    assert sources(config)[0]['ann_file'] == listed  # a list that is here goes first


def test_another_domain_tells_its_own():
    config = semi(
        **OWN,
        source_domain=dict(
            dataset_type='GTA5Dataset',
            img_suffix='.png',
            labeled_list=None,
            labeled_branches=dict(source={}),
        ),
    )
    labeled, domain, _ = sources(config)
    assert {name: labeled[name] for name in OWN} == OWN
    assert {name: domain.get(name) for name in OWN} == {**dict.fromkeys(OWN), 'img_suffix': '.png'}


def test_a_config_changes_what_its_base_names():
    base = ConfigDict({k: v for k, v in semi().items() if k != '_base_'})
    before = base.to_dict()
    own = dict(
        _base_=base,
        train_loader=train_loader,
        labeled_list='mine.txt',
        geometry=dict(crop=dict(crop_size=(8, 8)), flip=None, rotate=dict(type='RandomRotate')),
        branches=dict(strong=None, strong2=dict(_delete_=True, jitter=JITTER)),
    )
    labeled, unlabeled = sources(own)
    assert labeled['ann_file'] == 'mine.txt'
    steps = [dict(CROP, crop_size=(8, 8)), dict(type='RandomRotate')]
    assert labeled['pipeline'][2:-1] == unlabeled['pipeline'][2:-1] == steps
    # a branch that is left out keeps its place among the names
    assert unlabeled['pipeline'][-1] == dict(
        type='MultiBranch',
        branch_field=['sup', 'weak', 'strong', 'strong2'],
        weak=[PACK],
        strong2=[JITTER, PACK],
    )
    assert base.to_dict() == before


@pytest.mark.parametrize('listed', [{}, dict(val_list='val.txt')])
def test_validation(listed):
    loader = val_loader(variables(**listed))
    assert (loader['batch_size'], loader['num_workers']) == (1, 3)
    assert loader['sampler'] == dict(type='DefaultSampler', shuffle=False)
    expected = {'ann_file': 'val.txt'} if listed else {}
    assert loader['dataset'] == dict(
        type='MosaicDataset',
        data_root='root',
        data_prefix=dict(img_path='val/images', seg_map_path='val/masks'),
        pipeline=[LOAD],
        **expected,
    )


def resize(**size):
    return dict(type='Resize', **size, keep_ratio=True)


def test_test_pipelines():
    assert single_scale() == [LOAD, MASK, PACK]
    assert single_scale((8, 6)) == [LOAD, resize(scale=(8, 6)), MASK, PACK]
    steps = [step['type'] for step in single_scale_with_mask((8, 6))]
    assert steps == [LOAD['type'], MASK['type'], 'Resize', 'KeyMapper', PACK['type']]


@pytest.mark.parametrize(
    ('pipeline', 'sizes'),
    [
        (multi_scale((8, 4)), [dict(scale=(6, 3)), dict(scale=(8, 4)), dict(scale=(10, 5))]),
        (multi_scale(), [dict(scale_factor=ratio) for ratio in (0.75, 1.0, 1.25)]),
        (multi_scale(ratios=[1.0]), [dict(scale_factor=1.0)]),
    ],
)
def test_test_time_augmentation(pipeline, sizes):
    load, augment = pipeline
    assert (load, augment['type']) == (LOAD, 'TestTimeAug')
    scales, flips, *rest = augment['transforms']
    assert scales == [resize(**size) for size in sizes]
    assert [flip['prob'] for flip in flips] == [0.0, 1.0]
    assert rest == [[MASK], [PACK]]


def test_in_a_config_of_three_files(tmp_path):
    base = {k: v for k, v in variables().items() if k != '_base_'}
    call = 'from mmseg_contrast.datasets.loaders import train_loader\n'
    ending = 'train_dataloader = train_loader(globals())\n'
    assigned = ''.join(f'{name} = {value!r}\n' for name, value in base.items())
    (tmp_path / 'a.py').write_text(f'_base_ = []\n{call}{assigned}{ending}')
    (tmp_path / 'b.py').write_text(
        f"_base_ = './a.py'\n{call}geometry = dict(crop=dict(crop_size=(1, 1)))\n{ending}"
    )
    (tmp_path / 'c.py').write_text(f"_base_ = './b.py'\n{call}labeled_list = 'c.txt'\n{ending}")
    cfg = Config.fromfile(tmp_path / 'c.py')
    (source,) = cfg.train_dataloader.dataset.datasets
    assert (source.ann_file, source.pipeline[2].crop_size) == ('c.txt', (1, 1))
    # nothing of it is left in the config, so that it can be written and read again
    assert set(cfg) == {*base, 'train_dataloader'}
    cfg.dump(tmp_path / 'd.py')
    assert Config.fromfile(tmp_path / 'd.py').to_dict() == cfg.to_dict()
