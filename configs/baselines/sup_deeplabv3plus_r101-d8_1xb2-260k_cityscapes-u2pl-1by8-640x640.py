_base_ = [
    '../_base_/models/deeplabv3plus_r101-d8.py',
    '../_base_/datasets/cityscapes-full.py',
    '../_base_/schedules/schedule_260k_sgd.py',
    '../_base_/methods/supervised.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

crop_size = (640, 640)
labeled_list = 'data_lists/cityscapes/u2pl_cityscapes.0@1by8.txt'
geometry = dict(rotate=None, crop=dict(crop_size=crop_size))
train_dataloader = train_loader(globals())

# hard pixels of the whole batch, in both heads
sampler = dict(type='BatchOHEMPixelSampler', thresh=0.7, min_kept=100000)
data_preprocessor = dict(size=crop_size)
model = dict(
    data_preprocessor=data_preprocessor,
    decode_head=dict(sampler=sampler),
    auxiliary_head=[dict(_base_.auxiliary_head, sampler=sampler)],
    test_cfg=dict(mode='slide', crop_size=crop_size, stride=(427, 427)),
)
