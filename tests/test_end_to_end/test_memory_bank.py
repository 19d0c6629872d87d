"""The class-wise memory bank trained by MMSeg's own train.py: one domain and two, resumed."""

import copy
import importlib.util
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

spec = importlib.util.spec_from_file_location('e2e', Path(__file__).with_name('conftest.py'))
e2e = importlib.util.module_from_spec(spec)
spec.loader.exec_module(e2e)
BANK = 'auxiliary_head.0.bank'


def with_second_domain(cfg):
    """Add a third source: the labelled mosaics of another domain, as the branch `source`."""
    labeled, unlabeled = cfg.train_dataloader.dataset.datasets
    branch_field = ['sup', 'source', 'weak']
    source = copy.deepcopy(labeled)
    source.ann_file = ''
    source.data_prefix = {
        'img_path': 'data/inverted/images/train',
        'seg_map_path': 'data/inverted/annotations/train',
    }
    source.pipeline[-1].source = source.pipeline[-1].pop('sup')
    for dataset in (labeled, source, unlabeled):
        dataset.pipeline[-1].branch_field = branch_field
    cfg.train_dataloader.dataset.datasets = [labeled, source, unlabeled]
    cfg.train_dataloader.sampler.source_ratio = [2, 2, 2]
    return cfg


@pytest.fixture(scope='module')
def bank(tmp_path_factory):
    root = tmp_path_factory.mktemp('bank')
    e2e.write_data(root / 'data' / 'mosaic')
    # the second domain: negatives of the pictures, and class 0 alone in the masks
    for path in sorted((root / 'data' / 'mosaic').glob('*/train/7*.png')) or sorted(
        (root / 'data' / 'mosaic').glob('*/train/8_*.png')
    ):
        out = root / 'data' / 'inverted' / path.relative_to(root / 'data' / 'mosaic')
        out.parent.mkdir(parents=True, exist_ok=True)
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(out), 255 - image if image.ndim == 3 else np.zeros_like(image))
    project = e2e.Project(root)
    cfg = e2e.tiny_config('memory_bank')
    cfg.dump(project.config)
    with_second_domain(cfg).dump(root / 'two_domains.py')
    torch.manual_seed(0)
    project.mmseg('train.py', project.config, '--work-dir', project.work_dirs / 'full')
    return project


def test_the_bank_fills_step_by_step(bank):
    states = {i: bank.checkpoint('full', i)['state_dict'] for i in (2, 3, 5, e2e.MAX_ITERS)}
    counts = {i: int(state[f'{BANK}.count'].sum()) for i, state in states.items()}
    assert counts[2] == 0 < counts[3] < counts[5] < counts[e2e.MAX_ITERS]
    assert int(states[e2e.MAX_ITERS][f'{BANK}.updates']) == e2e.MAX_ITERS - 2
    assert states[e2e.MAX_ITERS][f'{BANK}.count'].max() < 256, 'still filling'
    assert not torch.equal(*(states[i]['class_weights.frequency'] for i in (3, 5)))

    log = [line for line in bank.log('full') if 'loss' in line]
    contrast = [line['contrast.loss_contrast'] for line in log]
    assert contrast[:4] == [0, 0, 0, 0] and min(contrast[4:]) > 0
    pseudo = [line['unsup.loss_consistency'] for line in log]
    assert pseudo[:4] == [0, 0, 0, 0] and min(pseudo[4:]) > 0
    assert min(line['unsup.loss_entropy'] for line in log) > 0
    assert log[-1]['bank.fill'] == pytest.approx(counts[e2e.MAX_ITERS] / (9 * 256), rel=1e-3)


@pytest.mark.parametrize('iteration', [3, 5])
def test_resumed_in_mid_filling_is_uninterrupted(bank, iteration):
    name = f'resumed_{iteration}'
    work_dir = bank.work_dirs / name
    work_dir.mkdir()
    left = work_dir / f'iter_{iteration}.pth'
    shutil.copy(bank.work_dirs / 'full' / left.name, left)
    (work_dir / 'last_checkpoint').write_text(str(left))
    bank.ours('train.py', bank.config, '--work-dir', work_dir, '--resume')
    bank.assert_same_end('full', name)


def test_a_second_labelled_domain_trains_and_stays_out_of_the_bank(bank):
    work_dir = bank.work_dirs / 'two_domains'
    options = ['train_cfg.val_interval=100', 'model.auxiliary_head.0.confidence=None']
    bank.ours(
        'train.py', bank.root / 'two_domains.py', '--work-dir', work_dir, '--cfg-options', *options
    )
    state = bank.checkpoint('two_domains')['state_dict']
    lines = [line for line in bank.log('two_domains') if 'loss' in line]
    assert len(lines) == e2e.MAX_ITERS and lines[-1]['contrast.loss_contrast'] > 0
    # two target images a step, one row a class and image
    updates = e2e.MAX_ITERS - 2
    assert 0 < state[f'{BANK}.count'].max() <= 2 * updates
    assert (state[f'{BANK}.count'] > 0).sum() > 1, 'the second domain has one class alone'


def test_the_teacher_of_a_run_is_a_plain_checkpoint(bank):
    checkpoint = bank.work_dirs / 'full' / f'iter_{e2e.MAX_ITERS}.pth'
    out = bank.root / 'teacher.pth'
    tool = 'model_converters/extract_branch.py'
    bank.ours(tool, checkpoint, out, '--branch', 'teacher')
    keys = torch.load(out, weights_only=False)['state_dict'].keys()
    assert keys and not any('auxiliary' in key or 'bank' in key for key in keys)
