import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import batch_of_labels
from mmengine import fileio
from mmengine.config import Config
from mmengine.dataset import ConcatDataset, InfiniteSampler, RepeatDataset
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from mmseg.utils import register_all_modules
from PIL import Image

from mmseg_contrast.datasets import CamVidDataset, MultiSourceSampler, UnlabeledDataset
from mmseg_contrast.datasets.transforms import MultiBranch
from mmseg_contrast.engine.checks.data import (
    check_sets_of_each_process,
    sizes_before_crop,
)
from mmseg_contrast.engine.hooks.check_setup_hook import CheckSetupHook

CLASSES = CamVidDataset.METAINFO['classes']
LOAD = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}]


@pytest.fixture(autouse=True)
def registered():
    register_all_modules()


def labeled(folder, crop=None, **more):
    pipeline = [*LOAD, *([{'type': 'RandomCrop', 'crop_size': crop}] if crop else [])]
    prefix = {'img_path': str(folder / 'images'), 'seg_map_path': str(folder / 'masks')}
    return CamVidDataset(data_prefix=prefix, pipeline=pipeline, **more)


def unlabeled(folder, **more):
    prefix = {'img_path': str(folder / 'more')}
    return UnlabeledDataset(like='CamVidDataset', data_prefix=prefix, **more)


def check(dataset, num_classes=11, batch_size=4, ratio=None, ignore_index=255):
    sampler = None
    if ratio:
        sampler = MultiSourceSampler(dataset, batch_size, ratio, seed=0)
    loader = SimpleNamespace(dataset=dataset, sampler=sampler, batch_size=batch_size)
    CheckSetupHook().before_train(runner_of(loader, num_classes, ignore_index))


def runner_of(loader, num_classes=11, ignore_index=255, **more):
    model = torch.nn.Module()
    model.decode_head = SimpleNamespace(num_classes=num_classes, ignore_index=ignore_index)
    optimizer = SimpleNamespace(param_groups=[{'lr': 0.1}])
    rest = {
        'val_loop': None,
        'train_loop': None,
        'hooks': [],
        'max_iters': 1,
        'param_schedulers': [],
        'optim_wrapper': SimpleNamespace(optimizer=optimizer),
        'cfg': {},
    }
    return SimpleNamespace(train_dataloader=loader, model=model, **{**rest, **more})


def test_good_setup_passes_and_keeps_the_random_state(folder):
    before = random.getstate(), np.random.get_state()[1].copy(), np.random.get_state()[2]
    check(ConcatDataset([labeled(folder, (16, 16)), unlabeled(folder)]), ratio=[1, 1])
    check(labeled(folder))
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert np.random.get_state()[2] == before[2]


@pytest.mark.parametrize('kind', ['images', 'masks'])
def test_missing_file_of_the_list(folder, kind):
    listed = folder / 'list.txt'
    listed.write_text('0\n1\n2\n3\n')
    dataset = labeled(folder, ann_file=str(listed))
    next((folder / kind).glob('2.*')).unlink()
    with pytest.raises(ValueError, match=rf'list\.txt\): 1 of 4 {kind[:-1]}s are missing'):
        check(dataset)


def test_mask_values(folder):
    Image.fromarray(np.full((16, 20), 11, np.uint8)).save(folder / 'masks' / '5.png')
    with pytest.raises(ValueError, match='ids 0-11, 255, one more than 11 classes'):
        check(labeled(folder))


@pytest.fixture
def opened(monkeypatch):
    """Paths of the files that are read."""
    paths = []
    real = fileio.get

    def get(path, *args, **kwargs):
        paths.append(str(path))
        return real(path, *args, **kwargs)

    monkeypatch.setattr(fileio, 'get', get)
    return paths


def test_only_some_masks_are_opened(folder, opened, monkeypatch):
    monkeypatch.setattr('mmseg_contrast.engine.checks.data.MAX_FILES', 3)
    check(labeled(folder))
    masks = [path[-5:] for path in opened if '/masks/' in path]
    assert masks == ['0.png', '2.png', '5.png', '0.png', '0.png'], (
        'three, and what the pipeline makes of one before its crop and at its end'
    )


def test_masks_of_unlabeled_images_are_never_opened(folder, opened):
    for index in range(3):
        (folder / 'masks' / f'{index}.png').write_bytes(b'no mask')
    check(unlabeled(folder), batch_size=1)
    assert len(opened) == 3 and all('more' in path for path in opened)


def test_unreadable_unlabeled_image(folder):
    (folder / 'more' / '1.jpg').write_bytes(b'no image')
    with pytest.raises(ValueError, match=r'more/1\.jpg: cannot be read \(no image\); replace'):
        check(ConcatDataset([labeled(folder), unlabeled(folder)]), ratio=[1, 1])


def test_fewer_images_than_a_batch_needs(folder):
    with pytest.raises(ValueError, match='there are 6, but a batch needs 8'):
        check(labeled(folder), batch_size=8)
    both = ConcatDataset([labeled(folder), unlabeled(folder)])
    check(both, batch_size=6, ratio=[1, 1])
    with pytest.raises(ValueError, match=r'unlabelled images .* there are 3, but a batch needs 4'):
        check(both, batch_size=8, ratio=[1, 1])


def test_classes_of_sources_and_model(folder):
    with pytest.raises(ValueError, match=r'num_classes=19, .* CamVidDataset has 11 classes'):
        check(labeled(folder), num_classes=19)
    few = labeled(folder, metainfo={'classes': CLASSES[:2]})
    both = ConcatDataset([labeled(folder), few], ignore_keys=['classes', 'palette', 'label_map'])
    with pytest.raises(ValueError, match='differ from those of the first source'):
        check(both)


def test_crop_larger_than_images(folder):
    check(labeled(folder, (16, 20)))
    with pytest.raises(ValueError, match=r'crop of 17 x 20 .* at most 16 x 20'):
        check(labeled(folder, (17, 20)))


def test_crop_is_compared_after_resizing(folder):
    pipeline = [
        *LOAD,
        {'type': 'Resize', 'scale': (40, 32)},
        {'type': 'RandomCrop', 'crop_size': (32, 32)},
    ]
    prefix = {'img_path': str(folder / 'images'), 'seg_map_path': str(folder / 'masks')}
    dataset = CamVidDataset(data_prefix=prefix, pipeline=pipeline)
    ((crop, sizes),) = sizes_before_crop(dataset)
    assert crop == (32, 32)
    assert set(sizes) == {(32, 40)}
    check(dataset)


def config(folder, **changes):
    dataset = {
        'type': 'CamVidDataset',
        'data_prefix': {
            'img_path': str(folder / 'images'),
            'seg_map_path': str(folder / 'masks'),
        },
        'pipeline': [*LOAD, {'type': 'PackSegInputs'}],
    }
    norm_cfg = {'type': 'BN'}
    head = {'in_channels': 8, 'channels': 4, 'num_convs': 1, 'norm_cfg': norm_cfg}
    model = {
        'type': 'EncoderDecoder',
        'data_preprocessor': {'type': 'SegDataPreProcessor', 'size': (16, 20)},
        'backbone': {
            'type': 'UNet',
            'base_channels': 4,
            'num_stages': 2,
            'strides': (1, 1),
            'enc_num_convs': (1, 1),
            'dec_num_convs': (1,),
            'downsamples': (True,),
            'enc_dilations': (1, 1),
            'dec_dilations': (1,),
            'norm_cfg': norm_cfg,
        },
        'decode_head': {
            'type': 'FCNHead',
            **head,
            'in_index': 0,
            'num_classes': 11,
            'loss_decode': {'type': 'CrossEntropyLoss'},
        },
        'train_cfg': {},
        'test_cfg': {'mode': 'whole'},
    }
    return Config(
        {
            'default_scope': 'mmseg',
            'model': model,
            'train_dataloader': {
                'batch_size': 2,
                'num_workers': 0,
                'sampler': {'type': 'InfiniteSampler'},
                'dataset': dataset,
            },
            'train_cfg': {'type': 'IterBasedTrainLoop', 'max_iters': 1},
            'optim_wrapper': {'optimizer': {'type': 'SGD', 'lr': 0.1}},
            'default_hooks': {'checkpoint': {'type': 'CheckpointHook', 'by_epoch': False}},
            'custom_hooks': [{'type': 'CheckSetupHook'}],
            'work_dir': str(folder / 'work'),
            'log_level': 'ERROR',
            'experiment_name': f'check_{np.random.randint(1 << 30)}',
            **changes,
        }
    )


def test_in_a_runner(folder):
    """Training, loading, resuming; a wrong setup stops before the first iteration."""
    assert HOOKS.get('CheckSetupHook') is CheckSetupHook
    Runner.from_cfg(config(folder)).train()
    saved = str(folder / 'work' / 'iter_1.pth')

    Runner.from_cfg(config(folder, load_from=saved)).train()
    more = {'type': 'IterBasedTrainLoop', 'max_iters': 2}
    runner = Runner.from_cfg(config(folder, load_from=saved, resume=True, train_cfg=more))
    runner.train()
    assert runner.iter == 2

    other = config(folder, load_from=saved, resume=True, train_cfg=more)
    other.model.decode_head.dropout_ratio = 0.3
    with pytest.raises(ValueError, match=r'model\.decode_head\.dropout_ratio: it was'):
        Runner.from_cfg(other).train()

    other = config(folder, load_from=saved)
    other.model.decode_head.num_classes = 5
    with pytest.raises(ValueError, match='it has 11 classes, but the model 5'):
        Runner.from_cfg(other).train()

    (folder / 'masks' / '3.png').unlink()
    runner = Runner.from_cfg(config(folder))
    with pytest.raises(ValueError, match='1 of 6 masks are missing'):
        runner.train()
    assert runner.iter == 0


def test_each_batch_of_training_and_validation_is_looked_at():
    model = torch.nn.Module()
    model.decode_head = SimpleNamespace(num_classes=3, ignore_index=255)
    runner = SimpleNamespace(model=model)
    hook = CheckSetupHook()
    for step in (hook.before_train_iter, hook.before_val_iter, hook.before_test_iter):
        step(runner, 0, batch_of_labels([[0, 1, 255]]))
        with pytest.raises(ValueError, match=r'masks/0\.png: the mask gives the label 9'):
            step(runner, 0, batch_of_labels([[0, 9, 255]]))


def test_a_metric_ignores_255_whatever_the_losses_do():
    model = torch.nn.Module()
    model.decode_head = SimpleNamespace(num_classes=3, ignore_index=0)
    runner = SimpleNamespace(model=model)
    CheckSetupHook().before_val_iter(runner, 0, batch_of_labels([[0, 1, 255]]))
    with pytest.raises(ValueError, match='gives the label 255, but 3 classes'):
        CheckSetupHook().before_train_iter(runner, 0, batch_of_labels([[0, 1, 255]]))


def test_the_last_head_of_a_cascade_counts_and_other_models_pass():
    model = torch.nn.Module()
    model.decode_head = torch.nn.ModuleList([torch.nn.Identity(), torch.nn.Identity()])
    model.decode_head[1].num_classes, model.decode_head[1].ignore_index = 2, 255
    with pytest.raises(ValueError, match='gives the label 2, but 2 classes'):
        CheckSetupHook().before_train_iter(
            SimpleNamespace(model=model), 0, batch_of_labels([[2, 1]])
        )
    other = SimpleNamespace(model=torch.nn.Module())
    CheckSetupHook().before_train_iter(other, 0, batch_of_labels([[2, 1]]))


def test_the_validation_set_is_called_so(folder):
    runner = runner_of(
        SimpleNamespace(dataset=labeled(folder), sampler=None, batch_size=4),
        val_dataloader=SimpleNamespace(dataset=ConcatDataset([labeled(folder)])),
        val_loop=object(),
    )
    CheckSetupHook().before_train(runner)
    hidden = folder / 'val'
    for name in ('images', 'masks'):
        (hidden / name).mkdir(parents=True)
    Image.fromarray(np.zeros((16, 20, 3), np.uint8)).save(hidden / 'images' / '0.jpg')
    Image.fromarray(np.full((16, 20), 77, np.uint8)).save(hidden / 'masks' / '0.png')
    runner.val_dataloader.dataset = labeled(hidden)
    with pytest.raises(ValueError, match=rf'validation images \({hidden}/images\): the masks hold'):
        CheckSetupHook().before_train(runner)


def test_a_data_set_in_a_wrapper_is_checked(folder):
    Image.fromarray(np.full((16, 20), 77, np.uint8)).save(folder / 'masks' / '5.png')
    with pytest.raises(ValueError, match=r'labelled images .*: the masks hold the ids 0-10, 77'):
        check(RepeatDataset(labeled(folder), 2))


def test_the_ignore_index_of_the_model_is_no_wrong_id(folder):
    for index in range(6):
        mask = np.full((16, 20), 254, np.uint8)
        mask[:4] = index
        Image.fromarray(mask).save(folder / 'masks' / f'{index}.png')
    with pytest.raises(ValueError, match='ids 0-5, 254, but 11 classes'):
        check(labeled(folder))
    check(labeled(folder), ignore_index=254)


def test_images_left_out_for_their_suffix_stop_the_run(folder):
    (folder / 'images' / '5.jpg').rename(folder / 'images' / '5.JPG')
    with pytest.raises(
        ValueError, match=r"1 images with a mask are left out .* img_suffix='\.jpg'"
    ):
        check(labeled(folder))


def test_schedules_that_do_not_fit_are_one_line_each(folder):
    poly = {'type': 'PolyLR', 'begin': 0, 'end': 2, 'by_epoch': False}
    runner = Runner.from_cfg(config(folder, param_scheduler=[poly]))
    warnings = []
    runner.logger.warning = lambda message, *args: warnings.append(str(message))
    runner.train()
    assert runner.iter == 1
    said = (
        'param_scheduler[0].end: PolyLR ends at 2, and the training after 1 iterations, before its'
    )
    assert [w for w in warnings if w.startswith('param_scheduler')] == [
        f'{said} last value; set it to 1.'
    ]


def test_a_validation_mask_that_is_not_of_the_size_of_the_image_is_told():
    model = torch.nn.Module()
    batch = batch_of_labels([[0, 1, 255]])
    batch['data_samples'][0].set_metainfo({'ori_shape': (1, 3)})
    CheckSetupHook().before_val_iter(SimpleNamespace(model=model), 0, batch)
    batch['data_samples'][0].set_metainfo({'ori_shape': (2, 6)})
    with pytest.raises(ValueError) as error:
        CheckSetupHook().before_val_iter(SimpleNamespace(model=model), 0, batch)
    assert str(error.value) == (
        'masks/0.png: the label map is 1 x 3, and the image as loaded 2 x 6 (height x width); load masks '
        'of the size of their images, after Resize in the test pipeline.'
    )


def test_masks_that_are_loaded_after_the_resizing(folder):
    resize = {'type': 'Resize', 'scale': (10, 8)}
    pipeline = [LOAD[0], resize, LOAD[1], {'type': 'RandomCrop', 'crop_size': (8, 8)}]
    prefix = {'img_path': str(folder / 'images'), 'seg_map_path': str(folder / 'masks')}
    said = r'RandomCrop gets an image of 8 x 10 and a label map of 16 x 20 .*; load the masks before Resize'
    with pytest.raises(ValueError, match=said):
        check(CamVidDataset(data_prefix=prefix, pipeline=pipeline))
    for path in (folder / 'masks').iterdir():  # now stored at that size
        Image.open(path).resize((10, 8), Image.NEAREST).save(path)
    check(CamVidDataset(data_prefix=prefix, pipeline=pipeline))


def test_padding_that_counts_as_a_label_is_told():
    model = torch.nn.Module()
    model.decode_head = SimpleNamespace(num_classes=3, ignore_index=0)
    model.data_preprocessor = SimpleNamespace(size=(1, 3), seg_pad_val=255)
    runner = SimpleNamespace(model=model)
    CheckSetupHook().before_train_iter(runner, 0, batch_of_labels([[0, 1, 2]]))  # needs no padding
    with pytest.raises(ValueError) as error:
        CheckSetupHook().before_train_iter(runner, 0, batch_of_labels([[0, 1]]))
    assert str(error.value) == (
        'model.data_preprocessor: seg_pad_val=255 fills the label map of 0.jpg, which is smaller than '
        'size=(1, 3), with a label that counts; set it to 0.'
    )
    model.data_preprocessor.seg_pad_val = 0
    CheckSetupHook().before_train_iter(runner, 0, batch_of_labels([[0, 1]]))


def test_the_classes_of_the_validation_are_those_of_the_training(folder):
    runner = runner_of(
        SimpleNamespace(dataset=labeled(folder), sampler=None, batch_size=4),
        val_dataloader=SimpleNamespace(
            dataset=labeled(folder, metainfo={'classes': ('Sky', 'Road')})
        ),
        val_loop=object(),
    )
    with pytest.raises(
        ValueError, match=r"^validation images: its classes \('Sky', 'Road'\) differ from"
    ):
        CheckSetupHook().before_train(runner)


def test_each_process_needs_each_set(folder):
    def branches(dataset, *names):
        pipelines = {name: [{'type': 'PackSegInputs'}] for name in names}
        split = MultiBranch(branch_field=['sup', 'weak'], **pipelines)
        dataset.pipeline.transforms = [*dataset.pipeline.transforms, split]
        return dataset

    both = ConcatDataset([branches(labeled(folder), 'sup'), branches(unlabeled(folder), 'weak')])
    (problem,) = check_sets_of_each_process(both.datasets, InfiniteSampler(both, seed=0))
    assert str(problem) == (
        'train_dataloader.sampler: InfiniteSampler may give a process a batch without labelled or '
        'unlabelled images, for which the other processes would wait; take '
        "dict(type='MultiSourceSampler', batch_size=..., source_ratio=[1, 1])."
    )
    sampler = MultiSourceSampler(both, 2, [1, 1], seed=0)
    assert check_sets_of_each_process(both.datasets, sampler) == []
    assert check_sets_of_each_process(both.datasets[:1] * 2, InfiniteSampler(both, seed=0)) == []


def test_a_module_in_the_place_of_its_weights_is_told():
    runner = SimpleNamespace(model=torch.nn.Linear(1, 1))
    with pytest.raises(
        ValueError, match=r'its state_dict is a Linear and not a dict of weights; save'
    ):
        CheckSetupHook().after_load_checkpoint(runner, {'state_dict': torch.nn.Linear(1, 1)})


def test_the_text_of_a_checkpoints_config_is_not_run(tmp_path):
    hook, told = CheckSetupHook(), []
    runner = SimpleNamespace(cfg=Config({}), logger=SimpleNamespace(warning=told.append))
    hook._check_resumed(runner, f"a = __import__('os').mkdir({str(tmp_path / 'ran')!r})")
    assert not (tmp_path / 'ran').exists()
    assert len(told) == 1 and 'is not compared with this one' in told[0]
    with pytest.raises(ValueError, match='optim_wrapper'):
        hook._check_resumed(runner, "optim_wrapper = dict(type='OptimWrapper')")
