import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from mmseg_contrast.run_folder import first_difference, write_manifest
from mmseg_contrast.tooling import comparison_runs
from mmseg_contrast.tooling.comparison_runs import (
    Run,
    describe,
    is_of_other_code,
    short_names,
    why_not,
    with_fold,
)

REPO = Path(__file__).parents[2]


def names(*paths, parts=1):
    return short_names([Path('/', path) for path in paths], parts)


def test_names_are_the_shortest_ends_that_differ():
    assert names('x/A/my.py', 'x/B/my.py', 'x/B/other.py') == ['A/my', 'B/my', 'other']
    assert names('x/A/my.py', 'y/A/my.py') == ['x/A/my', 'y/A/my']
    assert names('A/my.py', 'A/my.json') == ['my', 'my.json']
    assert names('my.py', 'A/my.py') == ['my', 'A/my']


def test_names_of_folders_do_not_depend_on_the_other_configs():
    assert names('x/A/my.py', parts=2) == ['A/my']
    assert names('x/A/my.py', 'x/B/my.py', parts=2) == ['A/my', 'B/my']


@pytest.fixture
def cfg(tmp_path):
    """A config of two sources with lists of folds 0 and 1, and a checkpoint to start from."""
    for folder, value in (('images', 9), ('masks', 0)):
        (tmp_path / folder).mkdir()
        for name in 'abc':
            image = np.full((4, 4, 3) if folder == 'images' else (4, 4), value, np.uint8)
            cv2.imwrite(str(tmp_path / folder / f'{name}.png'), image)
    for fold in (0, 1):
        (tmp_path / f'set.{fold}@2.txt').write_text('a\nb\n')
        (tmp_path / f'set.{fold}@2-unlabeled.txt').write_text('c\n')
    (tmp_path / 'begin.pth').write_bytes(b'weights')

    def source(listed, **kwargs):
        prefix = dict(img_path='images', seg_map_path='masks')
        where = dict(data_root=str(tmp_path), data_prefix=prefix, img_suffix='.png')
        return dict(type='BaseSegDataset', ann_file=listed, pipeline=[], **where, **kwargs)

    sources = [source('set.0@2.txt'), source('set.0@2-unlabeled.txt')]
    return Config(
        dict(
            train_dataloader=dict(num_workers=1, dataset=dict(type='X', datasets=sources)),
            val_dataloader=dict(num_workers=1, dataset=source('')),
            optim_wrapper=dict(optimizer=dict(lr=0.1)),
            load_from=str(tmp_path / 'begin.pth'),
            variable=1,
            default_hooks=dict(logger=dict(interval=1), other=dict(a=1)),
            label_map={0: 1},
            model=dict(size=(1, 2), layers=[dict(a=1)]),
        )
    )


def changed(cfg, place, value):
    cfg = Config(cfg.to_dict())
    cfg.merge_from_dict({place: value})
    return cfg


@pytest.mark.parametrize(
    ('place', 'value', 'difference'),
    [
        ('optim_wrapper.optimizer.lr', 0.2, 'optim_wrapper.optimizer.lr was 0.1 there, and is 0.2'),
        ('model.size', (1, 3), r'model.size was \[1, 2\] there, and is \[1, 3\] now'),
        ('model.layers', [dict(a=2)], 'model.layers.0.a was 1 there, and is 2 now'),
        ('model.new', 1, 'model.new was None there, and is 1 now'),
        ('default_hooks.other.a', 2, 'default_hooks.other.a was 1 there, and is 2 now'),
        ('train_dataloader.num_workers', 2, 'train_dataloader.num_workers was 1'),
    ],
)
def test_what_a_result_depends_on(cfg, place, value, difference):
    found = first_difference(describe(cfg, 1), describe(changed(cfg, place, value), 1))
    assert re.match(difference, found)


@pytest.mark.parametrize(
    ('place', 'value'),
    [
        ('variable', 2),
        ('default_hooks.logger.interval', 2),
        ('val_dataloader.num_workers', 2),
        ('work_dir', 'elsewhere'),
        ('train_dataloader.pin_memory', True),
    ],
)
def test_what_a_result_does_not_depend_on(cfg, place, value):
    assert describe(changed(cfg, place, value), 1) == describe(cfg, 1)


def test_it_depends_on_the_number_of_processes(cfg):
    found = first_difference(describe(cfg, 1), describe(cfg, 4))
    assert found == 'processes was 1 there, and is 4 now'


def another_label(root):
    (root / 'set.0@2.txt').write_text('a\nc\n')
    return 'train_dataloader: files of data set 0 was 2 images'


def another_image(root):
    cv2.imwrite(str(root / 'images' / 'c.png'), np.eye(64, dtype=np.uint8))
    return 'train_dataloader: files of data set 1 was 1 images'


def one_more_image(root):
    for folder in ('images', 'masks'):
        cv2.imwrite(str(root / folder / 'd.png'), np.zeros((4, 4), np.uint8))
    return 'val_dataloader: files of data set 0 was 3 images'


def other_weights(root):
    (root / 'begin.pth').write_bytes(b'WEIGHTS')
    return f'load_from was {root}/begin.pth (SHA-256'


@pytest.mark.parametrize('change', [another_label, another_image, one_more_image, other_weights])
def test_it_depends_on_what_is_in_the_files(cfg, tmp_path, change):
    before = describe(cfg, 1)
    said = change(tmp_path)
    assert first_difference(before, describe(cfg, 1)).startswith(said)


def test_another_fold_is_other_lists(cfg, tmp_path):
    (tmp_path / 'set.1@2.txt').write_text('c\n')
    datasets = with_fold(cfg, 1, 'my').train_dataloader.dataset.datasets
    assert [each.ann_file for each in datasets] == ['set.1@2.txt', 'set.1@2-unlabeled.txt']
    assert cfg.train_dataloader.dataset.datasets[0].ann_file == 'set.0@2.txt'
    with pytest.raises(FileNotFoundError, match=r'no list .*set.7@2.txt for fold 7 of my: make it'):
        with_fold(cfg, 7, 'my')


def test_a_config_without_folds_is_told(cfg):
    for dataset in cfg.train_dataloader.dataset.datasets:
        dataset.ann_file = ''
    with pytest.raises(ValueError, match=r'my trains on no list of a fold.*leave out --folds'):
        with_fold(cfg, 1, 'my')


@pytest.mark.parametrize('fold', [1, 2])
def test_the_lists_of_camvid_have_folds(fold, monkeypatch):
    monkeypatch.chdir(REPO)
    name = 'c3semiseg_stdc1_camvid-semi-1by30-160x160'
    cfg = with_fold(Config.fromfile(f'configs/c3semiseg/{name}.py'), fold, name)
    labeled, unlabeled = (d.ann_file for d in cfg.train_dataloader.dataset.datasets)
    assert labeled == f'data_lists/camvid/camvid.{fold}@1by30.txt'
    assert unlabeled == f'data_lists/camvid/camvid.{fold}@1by30-unlabeled.txt'


def a_run(cfg, folder):
    return Run('my', 0, None, cfg, folder, describe(cfg, 1))


def test_a_folder_is_the_runs_own_or_not(cfg, tmp_path):
    run = a_run(cfg, tmp_path / 'run')
    assert why_not(run) is None
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / '.lock').touch()
    assert why_not(run) is None
    write_manifest(run.folder, {**run.manifest, 'code': 'old'})
    assert why_not(run) is None
    other = a_run(changed(cfg, 'optim_wrapper.optimizer.lr', 0.2), run.folder)
    assert why_not(other) == (
        f'{run.folder} belongs to another run: optim_wrapper.optimizer.lr was 0.1 there, '
        'and is 0.2 now'
    )


def test_a_folder_without_a_manifest_is_not(cfg, tmp_path):
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'last_checkpoint').touch()
    assert 'holds files and no run.json' in why_not(a_run(cfg, tmp_path / 'run'))


def test_other_code_is_noticed(cfg, tmp_path, monkeypatch):
    run = a_run(cfg, tmp_path / 'run')
    assert not is_of_other_code(run)
    package = tmp_path / 'package'
    package.mkdir()
    (package / 'module.py').write_text('a = 1')
    monkeypatch.setattr(comparison_runs, 'PACKAGE', package)
    write_manifest(run.folder, {**run.manifest, 'code': comparison_runs.hash_code()})
    assert not is_of_other_code(run)
    (package / 'module.py').write_text('a = 2')
    assert is_of_other_code(run)
