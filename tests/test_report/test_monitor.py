import cv2
import numpy as np
import pytest
import torch
from helpers import build, plain_cfg, semi_cfg, separate_teacher
from mmengine.config import Config
from mmseg.registry import DATASETS

from mmseg_contrast.report.measures import confusion_of
from mmseg_contrast.report.monitor import build_monitor, measure, shared_images

C = 3
PIPELINE = [
    {'type': 'LoadImageFromFile'},
    {'type': 'LoadAnnotations'},
    {'type': 'PackSegInputs'},
]


@pytest.fixture
def folder(tmp_path):
    """Four images with masks, two of which are listed as labelled."""
    rng = np.random.default_rng(0)
    for kind in ('images', 'masks'):
        (tmp_path / kind).mkdir()
    for name in 'abcd':
        image = rng.integers(0, 256, (32, 32, 3)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / 'images' / f'{name}.png'), image)
        mask = rng.choice([0, 1, 2, 255], (32, 32)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / 'masks' / f'{name}.png'), mask)
    (tmp_path / 'labelled.txt').write_text('a\nb\n')
    (tmp_path / 'monitor.txt').write_text('c\nd\n')
    return tmp_path


def make_cfg(folder):
    base = {
        'type': 'BaseSegDataset',
        'data_root': str(folder),
        'img_suffix': '.png',
        'metainfo': {'classes': ['a', 'b', 'c']},
        'pipeline': PIPELINE,
    }
    prefix = {'img_path': 'images', 'seg_map_path': 'masks'}
    labeled = {**base, 'data_prefix': prefix, 'ann_file': 'labelled.txt'}
    unlabeled = {**base, 'data_prefix': {'img_path': 'images'}}
    return Config(
        {
            'train_dataloader': {
                'dataset': {'type': 'ConcatDataset', 'datasets': [labeled, unlabeled]}
            },
            'val_dataloader': {
                'dataset': {**base, 'data_prefix': {'img_path': 'val', 'seg_map_path': 'val'}}
            },
        }
    )


def test_a_list_is_of_the_folders_of_the_labelled_images(folder, monkeypatch):
    monkeypatch.chdir(folder)
    dataset = build_monitor(make_cfg(folder), 'monitor.txt')
    paths = [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]
    assert paths == [str(folder / 'images' / f'{name}.png') for name in 'cd']
    assert dataset.get_data_info(0)['seg_map_path'] == str(folder / 'masks' / 'c.png')


def test_folders_of_labelled_images_may_be_whole_paths(folder):
    cfg = make_cfg(folder)
    labeled = cfg.train_dataloader.dataset.datasets[0]
    del labeled['data_root']
    labeled.data_prefix = {'img_path': f'{folder}/images', 'seg_map_path': f'{folder}/masks'}
    dataset = build_monitor(cfg, str(folder / 'monitor.txt'))
    assert dataset.get_data_info(0)['img_path'] == str(folder / 'images' / 'c.png')


def test_changes_of_the_data_set_are_taken(folder):
    prefix = {'img_path': 'images', 'seg_map_path': 'images'}
    dataset = build_monitor(make_cfg(folder), {'data_prefix': prefix, 'ann_file': ''})
    assert len(dataset) == 4
    assert dataset.get_data_info(0)['seg_map_path'] == str(folder / 'images' / 'a.png')


def test_images_that_are_learnt_from_are_named(folder):
    cfg = make_cfg(folder)
    labeled = DATASETS.build(cfg.train_dataloader.dataset.datasets[0])
    (folder / 'monitor.txt').write_text('b\nc\n')
    monitor = build_monitor(cfg, str(folder / 'monitor.txt'))
    assert shared_images(monitor, labeled) == [str(folder / 'images' / 'b.png')]


def test_pseudo_labels_against_masks(folder):
    """Kept are the teacher's labels above the threshold; its thresholds do not move."""
    torch.manual_seed(0)
    model = build(semi_cfg(selector={'type': 'ThresholdMask', 'threshold': 0.4}), train=False)
    separate_teacher(model)
    dataset = build_monitor(make_cfg(folder), str(folder / 'monitor.txt'))
    record = measure(model, dataset, C)
    everything, kept = np.zeros((C, C)), np.zeros((C, C))
    for index in range(2):
        sample = dataset[index]
        data = model.data_preprocessor(
            {'inputs': [sample['inputs']], 'data_samples': [sample['data_samples']]}, False
        )
        with torch.no_grad():
            metas = [sample['data_samples'].metainfo]
            probs = model.teacher.encode_decode(data['inputs'], metas).softmax(1)
        confidence, labels = (each[0].numpy() for each in probs.max(1))
        truth = sample['data_samples'].gt_sem_seg.data[0].numpy()
        everything += confusion_of(truth, labels, C)
        truth = np.where(confidence >= 0.4, truth, 255)
        kept += confusion_of(truth, labels, C)
    assert record.images == 2
    assert record.all == everything.tolist()
    assert record.kept == kept.tolist()
    assert 0 < kept.sum() < everything.sum()
    assert model.predict_on == 'student'


def test_the_selector_of_the_training_stays_as_it_is(folder):
    model = build(semi_cfg(), train=False)
    before = model.selector.thresholds.clone()
    measure(model, build_monitor(make_cfg(folder), str(folder / 'monitor.txt')), C)
    assert torch.equal(model.selector.thresholds, before)


def test_a_plain_model_keeps_all_of_its_labels(folder):
    model = build(plain_cfg(), train=False)
    record = measure(model, build_monitor(make_cfg(folder), str(folder / 'monitor.txt')), C)
    assert record.kept is None
    assert np.sum(record.all) > 0
