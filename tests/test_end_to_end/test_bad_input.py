"""What is wrong ends `tools/train.py` with one sentence, before the first iteration."""

import re
import shutil

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

LABELED = 'train_dataloader.dataset.datasets.0'
UNLABELED = 'train_dataloader.dataset.datasets.1'


class Folder:
    """A copy of the project's data and config that a test may spoil."""

    def __init__(self, project, root):
        shutil.copytree(project.root / 'data', root / 'data')
        self.project = project
        self.root = root
        self.data = root / 'data' / 'mosaic'
        self.cfg = Config.fromfile(project.config)

    def image(self, name):
        return self.data / 'images' / 'train' / f'{name}.png'

    def mask(self, name):
        return self.data / 'annotations' / 'train' / f'{name}.png'

    def set(self, **options):
        self.cfg.merge_from_dict({key.replace('__', '.'): v for key, v in options.items()})

    def refused(self, *arguments):
        """Train, and return the sentence that it ends with."""
        config = self.root / 'tiny.py'
        self.cfg.dump(config)
        other = type(self.project)(self.root)
        with pytest.raises(SystemExit) as caught:
            other.ours('train.py', config, '--work-dir', self.root / 'run', *arguments)
        assert not list(self.root.glob('run/*.pth'))
        sentence = caught.value.code
        assert isinstance(sentence, str), 'the exit code would be 0'
        assert '\n' not in sentence
        return sentence


@pytest.fixture
def folder(project, tmp_path):
    return Folder(project, tmp_path)


def empty_unlabeled_folder(folder):
    (folder.data / 'images' / 'none').mkdir()
    dataset = folder.cfg.train_dataloader.dataset.datasets[1]
    del dataset['ann_file']
    dataset.data_prefix.img_path = 'data/mosaic/images/none'


def missing_unlabeled_folder(folder):
    folder.cfg.train_dataloader.dataset.datasets[1].data_prefix.img_path = 'data/mosaic/nowhere'


def corrupt_unlabeled_image(folder):
    folder.image('8-unlabeled_3').write_bytes(b'\x89PNG\r\n\x1a\n and no more')


def missing_unlabeled_image(folder):
    folder.image('8-unlabeled_2').unlink()


def missing_labeled_image(folder):
    folder.image('8_2').unlink()


def missing_mask(folder):
    folder.mask('8_1').unlink()


def mask_values_outside_the_classes(folder):
    mask = cv2.imread(str(folder.mask('8_4')), 0)
    mask[:9, :9] = 77
    cv2.imwrite(str(folder.mask('8_4')), mask)


def masks_of_0_and_255(folder):
    for path in folder.mask('8_0').parent.iterdir():
        mask = cv2.imread(str(path), 0)
        cv2.imwrite(str(path), np.where(mask > 3, 255, 0).astype(np.uint8))


def mask_of_another_size(folder):
    mask = cv2.imread(str(folder.mask('8_5')), 0)
    cv2.imwrite(str(folder.mask('8_5')), mask[:-1])


def fewer_labeled_than_a_batch(folder):
    (folder.data / 'lists' / 'mosaic.0@8.txt').write_text('8_0\n')


def ratio_of_zero(folder):
    folder.cfg.train_dataloader.sampler.source_ratio = [1, 0]


def ratio_that_gives_nothing(folder):
    folder.cfg.train_dataloader.sampler.source_ratio = [9, 1]


def other_classes(folder):
    folder.cfg.train_dataloader.dataset.datasets[1].like = 'CamVidDataset'


def other_number_of_classes(folder):
    folder.cfg.model.decode_head.num_classes = 19


def crop_too_large(folder):
    for dataset in folder.cfg.train_dataloader.dataset.datasets:
        [crop] = [step for step in dataset.pipeline if step.type == 'RandomCrop']
        crop.crop_size = (96, 64)


def labeled_pipeline(folder):
    return folder.cfg.train_dataloader.dataset.datasets[0].pipeline


def empty_labeled_list(folder):
    (folder.data / 'lists' / 'mosaic.0@8.txt').write_text('')


def wrong_suffix_in_a_folder(folder):
    dataset = folder.cfg.train_dataloader.dataset.datasets[0]
    dataset.ann_file, dataset.img_suffix = '', '.jpg'


def missing_mask_for_validation(folder):
    sorted((folder.data / 'annotations' / 'val').iterdir())[0].unlink()


def strange_value_for_validation(folder):
    path = sorted((folder.data / 'annotations' / 'val').iterdir())[0]
    mask = cv2.imread(str(path), 0)
    mask[:9, :9] = 77
    cv2.imwrite(str(path), mask)


def branches_that_differ(folder):
    labeled_pipeline(folder)[-1].branch_field = ['sup', 'weak']


def no_branches_of_labels(folder):
    labeled_pipeline(folder)[-1] = {'type': 'PackSegInputs'}


def no_weak_branch(folder):
    del folder.cfg.train_dataloader.dataset.datasets[1].pipeline[-1]['weak']


def another_name_of_a_branch(folder):
    for dataset in folder.cfg.train_dataloader.dataset.datasets:
        dataset.pipeline[-1].branch_field = ['labeled', 'weak', 'strong']
    labeled_pipeline(folder)[-1]['labeled'] = labeled_pipeline(folder)[-1].pop('sup')


def plain_preprocessor(folder):
    folder.cfg.model.data_preprocessor.type = 'SegDataPreProcessor'
    folder.cfg.model.data_preprocessor.size = (64, 64)


def frozen_teacher_that_knows_nothing(folder):
    folder.cfg.model.semi_train_cfg.burn_in = 0
    [hook] = [hook for hook in folder.cfg.custom_hooks if hook.type == 'MeanTeacherHook']
    hook.momentum = 0


def forget(folder, source, step):
    dataset = folder.cfg.train_dataloader.dataset.datasets[source]
    dataset.pipeline = [each for each in dataset.pipeline if each.type != step]


def no_loading_of_masks(folder):
    forget(folder, 0, 'LoadAnnotations')


def no_valid_map(folder):
    forget(folder, 1, 'LoadValidMap')


def no_size_to_pad_to(folder):
    folder.cfg.model.data_preprocessor.pop('size')


def cascade_of_heads(folder):
    folder.cfg.model.decode_head = [folder.cfg.model.decode_head, {'type': 'OCRHead'}]


def data_set_without_classes(folder):
    for dataset in folder.cfg.train_dataloader.dataset.datasets:
        dataset['like' if 'like' in dataset else 'type'] = 'BaseSegDataset'
        dataset.update(img_suffix='.png', seg_map_suffix='.png')


def wrong_channels_of_a_head(folder):
    folder.cfg.model.auxiliary_head[0].in_channels = 33


def unknown_selector(folder):
    folder.cfg.model.selector.type = 'DynamicRegionSelection'


def unknown_mixing(folder):
    folder.cfg.model.mixing.type = 'MixUpCut'


def momentum_out_of_range(folder):
    [hook] = [hook for hook in folder.cfg.custom_hooks if hook.type == 'MeanTeacherHook']
    hook.momentum = 1.5


def negative_burn_in(folder):
    folder.cfg.model.semi_train_cfg.burn_in = -1


@pytest.mark.parametrize(
    ('spoil', 'said'),
    [
        (empty_unlabeled_folder, r'No image .* in data/mosaic/images/none'),
        (missing_unlabeled_folder, r'data/mosaic/nowhere.* does not exist'),
        (corrupt_unlabeled_image, r'8-unlabeled_3\.png: cannot be read'),
        (missing_unlabeled_image, r'8-unlabeled_2 .*is not on disk'),
        (missing_labeled_image, r'1 of 6 images are missing, the first is .*/train/8_2\.png'),
        (missing_mask, r'1 of 6 masks are missing, the first is .*annotations/train/8_1\.png'),
        (
            mask_values_outside_the_classes,
            r'0@8\.txt.* ids 0-8, 77, 255, but 9 classes have 0 to 8',
        ),
        (masks_of_0_and_255, r'0@8\.txt.* 0 and 255 alone.* 8 of 9 classes'),
        (mask_of_another_size, r'train/8_5\.png: the image is 73 x 68 and its mask 73 x 67'),
        (fewer_labeled_than_a_batch, r'0@8\.txt.* there are 1, but a batch needs 2'),
        (ratio_of_zero, r'source_ratio=\[1, 0\] .* a source nothing'),
        (
            ratio_that_gives_nothing,
            r'source_ratio=\[9, 1\] divides batch_size=4 into \[3\.6, 0\.4\]',
        ),
        (
            other_classes,
            r"source 1 \(UnlabeledDataset\) has classes=\('Sky', .* source 0 .*'grass'",
        ),
        (other_number_of_classes, r'num_classes=\d+.*19|19.*num_classes'),
        (crop_too_large, r'crop of 96 x 64 .* larger than the images .* at most 70 x 73'),
        (unknown_selector, r'DynamicRegionSelection'),
        (unknown_mixing, r'MixUpCut'),
        (momentum_out_of_range, r'momentum=1\.5\) .* use \[0, 1\]'),
        (negative_burn_in, r'burn_in=-1 '),
        (empty_labeled_list, r'the list .*0@8\.txt is empty'),
        (wrong_suffix_in_a_folder, r'there is no \.jpg image in data/mosaic/images/train'),
        (missing_mask_for_validation, r'1 of \d+ masks are missing, .*annotations/val/'),
        (strange_value_for_validation, r'images/val.* ids 0-8, 77, 255, but 9 classes have 0 to 8'),
        (branches_that_differ, r"branches \['sup', 'weak', 'strong'\], .* \['sup', 'weak'\]"),
        (no_branches_of_labels, r"branches None, and that of another source \['sup'"),
        (no_weak_branch, r"give \['strong', 'sup'\], .*add the branches \['weak'\] in MultiBranch"),
        (another_name_of_a_branch, r"rename the branches \['labeled'\] in MultiBranch"),
        (plain_preprocessor, r"which a SegDataPreProcessor .*'MultiBranchDataPreprocessor'"),
        (frozen_teacher_that_knows_nothing, r'momentum=0\) keeps .* untrained'),
        (
            no_loading_of_masks,
            r"labelled images .* no label map in the branch 'sup'; .*LoadAnnotations",
        ),
        (no_valid_map, r"unlabelled images .* no label map in the branch 'weak'; .*'LoadValidMap'"),
        (no_size_to_pad_to, r'data_preprocessor: it has no size, .* set size=crop_size'),
        (cascade_of_heads, r'decode_head is a cascade of 2 heads \(.*, OCRHead\).* take one head'),
        (data_set_without_classes, r'the data set names no classes; give metainfo='),
        (
            wrong_channels_of_a_head,
            r'auxiliary_head\.0: a convolution of it takes 33 channels, and gets',
        ),
    ],
)
def test_bad_setup(folder, spoil, said):
    spoil(folder)
    assert re.search(said, folder.refused())


@pytest.fixture
def checkpoint(trained, tmp_path):
    """Save a spoilt copy of the trained checkpoint."""

    def save(change):
        content = trained.checkpoint('full')
        change(content['state_dict'])
        path = tmp_path / 'given.pth'
        torch.save(content, path)
        return path

    return save


def fewer_classes(state):
    for key in state:
        if 'conv_seg' in key:
            state[key] = state[key][:7]


def another_backbone(state):
    for key in [key for key in state if 'backbone.layer4' in key]:
        del state[key]


def another_model(state):
    for key in list(state):
        state[f'net.{key}'] = state.pop(key)


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (fewer_classes, r'checkpoint: it has 7 classes, but the model 9 \(decode_head\.conv_seg'),
        (another_backbone, r'checkpoint: it is of another model: it lacks backbone\.layer4'),
        (another_model, r'checkpoint: none of its weights has a name that the model knows'),
    ],
)
def test_checkpoint_of_another_model(folder, checkpoint, change, said):
    folder.set(load_from=str(checkpoint(change)))
    assert re.search(said, folder.refused())


def test_resuming_into_another_config(folder, checkpoint):
    path = checkpoint(lambda state: None)
    folder.set(model__selector__keep_ratio=0.5)
    said = r'model\.selector\.keep_ratio: it was 0\.8 in the run to resume, and is 0\.5'
    assert re.search(said, folder.refused('--resume', path))


def test_resuming_with_other_data_or_optimiser(folder, checkpoint):
    path = checkpoint(lambda state: None)
    sampler = folder.cfg.train_dataloader.sampler
    sampler.source_ratio = [3, 1]
    assert 'train_dataloader.sampler.source_ratio[0]: it was' in folder.refused('--resume', path)
    sampler.source_ratio = [1, 1]
    folder.cfg.optim_wrapper.optimizer.weight_decay = 0.5
    assert 'optim_wrapper.optimizer.weight_decay: it was' in folder.refused('--resume', path)


def test_resuming_from_nowhere(folder):
    assert 'there is no checkpoint gone.pth' in folder.refused('--resume', 'gone.pth')


@pytest.mark.parametrize('tool', ['test.py', 'pseudo_label.py'])
def test_a_photo_is_no_checkpoint(project, tool):
    photo = project.root / 'data/mosaic/images/val/val_0.png'
    more = ['--images', photo.parent, '--out', 'never'] if tool == 'pseudo_label.py' else []
    with pytest.raises(SystemExit) as caught:
        project.ours(tool, project.config, photo, *more)
    assert 'val_0.png is no checkpoint: give a .pth file that a training wrote' in caught.value.code
    assert 'TORCH_FORCE' not in caught.value.code
