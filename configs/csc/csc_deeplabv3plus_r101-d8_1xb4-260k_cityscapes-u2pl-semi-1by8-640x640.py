_base_ = [
    '../_base_/models/deeplabv3plus_r101-d8.py',
    '../_base_/datasets/cityscapes-semi-full.py',
    '../_base_/schedules/schedule_260k_sgd.py',
    '../_base_/methods/csc.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

crop_size = (640, 640)
labeled_list = 'data_lists/cityscapes/u2pl_cityscapes.0@1by8.txt'
unlabeled_list = 'data_lists/cityscapes/u2pl_cityscapes.0@1by8-unlabeled.txt'
geometry = dict(rotate=None, crop=dict(crop_size=crop_size))
# CutMix is all the strong augmentation
branches = dict(strong=dict(jitter=None, rand_augment=None))
train_dataloader = train_loader(globals())

csc = _base_.csc
csc.selector.threshold = 0.0
# hard pixels of the whole batch, in both heads
sampler = dict(type='BatchOHEMPixelSampler', thresh=0.7, min_kept=100000)
# the twin of the classifier
contrast = dict(
    _base_.csc_contrast,
    in_index='decode.classifier',
    in_channels=512,
    projector=dict(type='ConvNormProjector'),
)
supervised_heads = [dict(_base_.auxiliary_head, sampler=sampler)]
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=crop_size)
model = dict(
    **csc,
    data_preprocessor=data_preprocessor,
    decode_head=dict(sampler=sampler),
    auxiliary_head=[*supervised_heads, contrast],
    test_cfg=dict(mode='slide', crop_size=crop_size, stride=(427, 427)),
)
