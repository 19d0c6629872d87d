"""A benchmark of seconds: two methods and a chain on twelve mosaics, with recipes of its own."""

from pathlib import Path

import cv2
import numpy as np

REPO = Path(__file__).parents[1]
STEPS = 6
FILES = {
    'recipes/runtime.py': f"""
_base_ = '{REPO}/configs/_base_/default_runtime.py'
preprocessor = 'SegDataPreProcessor'
max_iters = {STEPS}
batch_size = 2
num_workers = 0
geometry = dict(crop=dict(type='RandomCrop', crop_size=(32, 32)))
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=2e-3))
param_scheduler = [dict(type='PolyLR', power=0.9, begin=0, end=max_iters, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(
    logger=dict(interval=2), checkpoint=dict(interval=2)
)
log_level = 'WARNING'
""",
    'recipes/supervised.py': """
_base_ = './runtime.py'
method = dict(type='EncoderDecoder')
val_cfg = dict(type='ValLoop')
""",
    'recipes/fixmatch.py': f"""
_base_ = ['./runtime.py', '{REPO}/configs/_base_/methods/fixmatch_ema.py']
preprocessor = 'MultiBranchDataPreprocessor'
custom_hooks = [
    dict(type='MeanTeacherHook', momentum=0.1), dict(type='SemiDiagnosticsHook', interval=2)
]
source_ratio = [1, 1]
branches = dict(weak={{}}, strong=dict(jitter=dict(type='ColorJitter', brightness=0.3)))
method = dict(
    _base_.fixmatch_ema, selector=dict(type='ThresholdMask', threshold=0.2),
    semi_train_cfg=dict(burn_in=2),
)
""",
    'recipes/pretrain.py': f"""
_base_ = ['./runtime.py', '{REPO}/configs/_base_/methods/label_efficient.py']
preprocessor = 'MultiBranchDataPreprocessor'
labeled_branches = _base_.two_views
method = dict(_base_.pretrainer, loss_size=None)
""",
    'models/tiny.py': """
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor', mean=[120.0] * 3, std=[60.0] * 3, bgr_to_rgb=True
    ),
    backbone=dict(
        type='ResNet', depth=18, base_channels=8, stem_channels=8, num_stages=2, strides=(1, 2),
        dilations=(1, 1), out_indices=(0, 1), norm_cfg=norm_cfg,
    ),
    decode_head=dict(
        type='FCNHead', in_channels=16, in_index=1, channels=8, num_convs=1, num_classes=9,
        norm_cfg=norm_cfg, loss_decode=dict(type='PixelCrossEntropyLoss'),
    ),
    test_cfg=dict(mode='whole'),
)
""",
    'datasets/mosaic.py': """
_base_ = []
from mmseg_contrast.datasets.loaders import single_scale, val_loader

dataset_type = 'MosaicDataset'
data_root = 'data/mosaic'
train_prefix = dict(img_path='images/train', seg_map_path='annotations/train')
val_prefix = dict(img_path='images/val', seg_map_path='annotations/val')
labeled_list = 'data/mosaic/lists/mosaic.0@2.txt'
unlabeled_list = 'data/mosaic/lists/mosaic.0@2-unlabeled.txt'
crop_size = (32, 32)
num_classes = 9
test_pipeline = single_scale()
val_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type, data_root=data_root, data_prefix=val_prefix, pipeline=test_pipeline
    ),
)
test_dataloader = val_dataloader
val_evaluator = test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_cfg = dict(type='TestLoop')
""",
    'tiny.py': """
name = 'tiny'
base = 'bases'
datasets = dict(
    mosaic=dict(config='datasets/mosaic.py', labels={2: 'data/mosaic/lists/mosaic.{seed}@2'})
)
nets = dict(tiny=dict(config='models/tiny.py'))
methods = {
    'labels-alone': dict(recipe='recipes/supervised.py'),
    'fixmatch': dict(
        recipe='recipes/fixmatch.py', options={'method.selector.threshold': 0.3}
    ),
    'all-labels': dict(recipe='recipes/supervised.py', labels='all'),
}
seeds = {2: [0, 1], 'all': [0]}
""",
}


def write_chain(file):
    """Add a chain with pseudo-labels to the benchmark file."""
    recipes = {'pretrain': 'pretrain', 'finetune': 'supervised'}
    stages = ', '.join(
        f"{half}{stage}='recipes/{recipe}.py'"
        for half in ('', 'semi_')
        for stage, recipe in recipes.items()
    )
    rule = 'dict(threshold=0.7, keep_ratio=0.5, tta=True)'
    entry = f"'chain': dict(chain=dict({stages}), pseudo_label={rule}),"
    file.write_text(file.read_text().replace("    'all-labels'", f"    {entry}\n    'all-labels'"))


def write_project(root):
    """Write the benchmark file, its bases, and mosaics of blocks with lists of two folds."""
    for name, text in FILES.items():
        path = root / ('' if name == 'tiny.py' else 'bases') / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for split, number in (('train', 8), ('val', 4)):
        for index in range(number):
            rng = np.random.default_rng(10 * number + index)
            mask = np.kron(rng.integers(0, 9, (3, 3)), np.ones((16, 16))).astype(np.uint8)
            image = np.stack([28 * mask] * 3, -1) + rng.integers(0, 20, (48, 48, 3))
            for folder, content in (('images', image.clip(0, 255)), ('annotations', mask)):
                path = root / 'data/mosaic' / folder / split / f'{index}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), content.astype(np.uint8))
    lists = root / 'data/mosaic/lists'
    lists.mkdir()
    for fold in range(2):
        labeled = [2 * fold, 2 * fold + 1]
        others = [index for index in range(8) if index not in labeled]
        for name, indices in (
            (f'mosaic.{fold}@2', labeled),
            (f'mosaic.{fold}@2-unlabeled', others),
        ):
            (lists / f'{name}.txt').write_text(''.join(f'{index}\n' for index in indices))
