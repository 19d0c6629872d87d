"""A tiny data set, a tiny run of a real config, and the tools of MMSeg and of this repository."""

import copy
import importlib.util
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmseg.visualization import SegLocalVisualizer

from mmseg_contrast.datasets import MosaicDataset

REPO = Path(__file__).parents[2]
MMSEG_TOOLS = Path(importlib.util.find_spec('mmseg').origin).parent / '.mim' / 'tools'
TOOLS = REPO / 'tools'
MAX_ITERS = 8
PALETTE = np.array(MosaicDataset.METAINFO['palette'], np.uint8)


def write_pair(root, split, name, seed, labeled=True):
    """Write an image of coloured blocks with noise, and what class each block has."""
    rng = np.random.default_rng(seed)
    height, width = 67 + seed % 4, 71 + seed % 3
    blocks = rng.integers(0, len(PALETTE), (5, 5)).astype(np.uint8)
    mask = cv2.resize(blocks, (width, height), interpolation=cv2.INTER_NEAREST)
    image = PALETTE[mask] + rng.normal(0, 20, (height, width, 3))
    path = root / 'images' / split / f'{name}.png'
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image.clip(0, 255).astype(np.uint8)[..., ::-1])
    if labeled:
        mask[rng.random(mask.shape) < 0.02] = 255
        path = root / 'annotations' / split / f'{name}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), mask)


def write_data(root):
    """Write 6 labelled, 8 unlabelled and 4 validation images of odd sizes, and the lists."""
    names = {'mosaic.0@8': 6, 'mosaic.0@8-unlabeled': 8}
    (root / 'lists').mkdir(parents=True)
    seed = 0
    for listed, number in names.items():
        stems = [f'{listed.rsplit("@")[-1]}_{index}' for index in range(number)]
        for stem in stems:
            write_pair(root, 'train', stem, seed, labeled='unlabeled' not in listed)
            seed += 1
        (root / 'lists' / f'{listed}.txt').write_text('\n'.join(stems) + '\n')
    for index in range(4):
        write_pair(root, 'val', f'val_{index}', seed + index)


def tiny_config(method='c3semiseg'):
    """Shorten the mosaic config: everything but numbers stays as a user gets it."""
    cfg = Config.fromfile(REPO / 'configs' / method / f'{method}_mosaic.py')
    in_process = {'num_workers': 0, 'persistent_workers': False}
    # an untrained teacher is sure of little
    parts = {
        'c3semiseg': {
            'train_dataloader': {'batch_size': 4, 'sampler': {'batch_size': 4}},
            'model.semi_train_cfg.burn_in': 2,
            'model.selector.initial': 0.1,
            'model.unsup_loss.ramp': {'start': 2, 'length': 2},
            'model.auxiliary_head.0.ramp.length': 2,
        },
        'memory_bank': {
            'train_dataloader': {'batch_size': 6, 'sampler': {'batch_size': 6}},
            'model.unsup_loss.0.ramp.start': 4,
            'model.class_weights': {'start': 4, 'momentum': 0.1},
            'model.mixing.strong.class_mix_start': 4,
            'model.auxiliary_head.0': {'bank_start': 2, 'labeled_images': 1000, 'confidence': 0.05},
            'model.auxiliary_head.0.ramp.start': 4,
        },
        'csc': {
            'train_dataloader': {'batch_size': 4, 'sampler': {'batch_size': 4}},
            'model.semi_train_cfg.burn_in': 2,
            'model.selector.threshold': 0.1,
            'model.unsup_loss.ramp': {'start': 2, 'length': 2},
            'model.auxiliary_head.0.bank': {'size': 8, 'min_fill': 0.3},
        },
    }
    cfg.merge_from_dict(
        {
            **parts[method],
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'val_dataloader': in_process,
            'test_dataloader': in_process,
            'train_cfg': {'max_iters': MAX_ITERS, 'val_interval': MAX_ITERS // 2},
            'default_hooks.logger.interval': 1,
            'default_hooks.checkpoint': {'interval': 1, 'max_keep_ckpts': -1},
            'default_hooks.visualization.interval': 1,
        }
    )
    cfg.param_scheduler[0].end = MAX_ITERS
    for hook in cfg.custom_hooks:
        if hook.type in ('SemiDiagnosticsHook', 'MemoryBankHook'):
            hook.interval = 2
    return cfg


def forget_mmengine():
    """Drop what a runner leaves behind: two runs of one second would share it."""
    for logger in MMLogger._instance_dict.values():
        for handler in logger.handlers:
            handler.close()
    for manager in (MMLogger, MessageHub, SegLocalVisualizer, DefaultScope):
        manager._instance_dict.clear()


class Project:
    """The folder of a user, with ``data/mosaic`` and the config ``tiny.py`` in it."""

    def __init__(self, root):
        self.root = root
        self.config = root / 'tiny.py'
        self.work_dirs = root / 'work_dirs'

    def run(self, script, *arguments):
        """Run a script in this process, as ``python SCRIPT ARGUMENTS`` in this folder."""
        forget_mmengine()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.root)
            patch.setattr(sys, 'argv', [str(script), *map(str, arguments)])
            patch.setenv('MPLBACKEND', 'agg')
            try:
                runpy.run_path(str(script), run_name='__main__')
            finally:
                forget_mmengine()

    def mmseg(self, tool, *arguments):
        """Run one of MMSeg's own tools."""
        self.run(MMSEG_TOOLS / tool, *arguments)

    def ours(self, tool, *arguments):
        """Run a tool of this repository."""
        self.run(TOOLS / tool, *arguments)

    def start(self, *command):
        """Start ``python COMMAND`` in a process of its own, in this folder."""
        return subprocess.Popen(
            [sys.executable, *map(str, command)],
            cwd=self.root,
            env={**os.environ, 'PYTHONPATH': str(REPO)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def test(self, name, checkpoint, *arguments):
        """Run MMSeg's test.py and return the scores that it writes."""
        work_dir = self.work_dirs / name
        self.mmseg('test.py', self.config, checkpoint, '--work-dir', work_dir, *arguments)
        return self.scores(name)

    def scores(self, name):
        """Return the scores that a test wrote into its work folder."""
        [scores] = read_jsons(self.work_dirs.joinpath(name).glob('*/*.json'))
        return scores

    def checkpoint(self, name, iteration=MAX_ITERS):
        """Load a checkpoint of a run."""
        path = self.work_dirs / name / f'iter_{iteration}.pth'
        return torch.load(path, map_location='cpu', weights_only=False)

    def assert_same_end(self, name, other):
        """Compare the ends of two runs bit for bit."""
        one, two = self.checkpoint(name), self.checkpoint(other)
        assert two['meta']['iter'] == MAX_ITERS
        for part in ('state_dict', 'optimizer', 'param_schedulers'):
            assert_same(one[part], two[part], part)

    def log(self, name):
        """Read the log of a run: a dict for each line, of training and of validation."""
        return read_jsons(self.work_dirs.joinpath(name).glob('*/vis_data/scalars.json'))


def assert_same(one, other, place=''):
    """Compare nested containers bit for bit."""
    assert type(one) is type(other), place
    if isinstance(one, dict):
        assert one.keys() == other.keys(), place
        for key in one:
            assert_same(one[key], other[key], f'{place}/{key}')
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), place
        for index, pair in enumerate(zip(one, other)):
            assert_same(*pair, f'{place}/{index}')
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), f'{place}: {(one - other).abs().max()}'
    else:
        assert one == other, place


def read_jsons(paths):
    return [json.loads(line) for path in sorted(paths) for line in path.read_text().splitlines()]


@pytest.fixture(scope='session', autouse=True)
def unformatted_configs():
    """Configs are written often; laying out their text is what takes longest in a tiny run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True))
        yield


@pytest.fixture(scope='session')
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp('project')
    write_data(root / 'data' / 'mosaic')
    project = Project(root)
    tiny_config().dump(project.config)
    return project


@pytest.fixture(scope='session')
def trained(project):
    """The project after one uninterrupted run by MMSeg's own train.py, in ``work_dirs/full``."""
    torch.manual_seed(0)
    project.mmseg('train.py', project.config, '--work-dir', project.work_dirs / 'full')
    return project


def write_second_domain(root):
    """Write negatives of the labelled mosaics, whose masks have class 0 alone, as another data set."""
    for path in sorted(root.joinpath('mosaic').glob('*/train/8_*.png')):
        out = root / 'negative' / path.relative_to(root / 'mosaic')
        out.parent.mkdir(parents=True, exist_ok=True)
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(out), 255 - image if image.ndim == 3 else np.zeros_like(image))


def with_second_domain(cfg):
    """Add the negatives as a third source, in the branch `source`."""
    labeled, unlabeled = cfg.train_dataloader.dataset.datasets
    source = copy.deepcopy(labeled)
    source.ann_file = ''
    for key, folder in source.data_prefix.items():
        source.data_prefix[key] = folder.replace('mosaic', 'negative')
    source.pipeline[-1].source = source.pipeline[-1].pop('sup')
    for dataset in (labeled, source, unlabeled):
        dataset.pipeline[-1].branch_field = ['sup', 'source', 'weak']
    cfg.train_dataloader.dataset.datasets = [labeled, source, unlabeled]
    cfg.train_dataloader.sampler.source_ratio = [2, 2, 2]
    return cfg


@pytest.fixture(scope='session')
def memory_bank(tmp_path_factory):
    """A project after one run of the class-wise memory bank; `two_domains.py` waits to be run."""
    root = tmp_path_factory.mktemp('memory_bank')
    write_data(root / 'data' / 'mosaic')
    write_second_domain(root / 'data')
    project = Project(root)
    cfg = tiny_config('memory_bank')
    cfg.dump(project.config)
    with_second_domain(cfg).dump(root / 'two_domains.py')
    torch.manual_seed(0)
    project.mmseg('train.py', project.config, '--work-dir', project.work_dirs / 'full')
    return project


@pytest.fixture(scope='session')
def csc(tmp_path_factory):
    """A project after one run of CSC."""
    root = tmp_path_factory.mktemp('csc')
    write_data(root / 'data' / 'mosaic')
    project = Project(root)
    tiny_config('csc').dump(project.config)
    torch.manual_seed(0)
    project.mmseg('train.py', project.config, '--work-dir', project.work_dirs / 'full')
    return project
