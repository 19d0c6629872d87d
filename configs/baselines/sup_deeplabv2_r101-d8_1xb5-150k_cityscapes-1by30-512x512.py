_base_ = [
    '../_base_/models/deeplabv2_r101-d8.py',
    '../_base_/datasets/cityscapes-512x512.py',
    '../_base_/schedules/schedule_150k_sgd.py',
    '../_base_/methods/supervised.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = 'data_lists/cityscapes/cityscapes.0@1by30.txt'
train_dataloader = train_loader(globals())
data_preprocessor = dict(size=_base_.crop_size)
model = dict(data_preprocessor=data_preprocessor)
