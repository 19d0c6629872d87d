_base_ = [
    '../_base_/models/deeplabv2_r101-d8_official.py',
    '../_base_/datasets/cityscapes-512x512.py',
    '../_base_/schedules/schedule_150k_sgd_official.py',
    '../_base_/methods/supervised.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = 'data_lists/cityscapes/cityscapes.0@1by30.txt'
train_dataloader = train_loader(globals())
# by the data set's means, to a range of 1
normalisation = dict(mean=[73.158, 82.909, 72.392], std=[255.0, 255.0, 255.0])
data_preprocessor = dict(size=_base_.crop_size, **normalisation)
model = dict(data_preprocessor=data_preprocessor)
