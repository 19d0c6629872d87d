_base_ = [
    '../_base_/models/stdc1_camvid.py',
    '../_base_/datasets/camvid-320x240.py',
    '../_base_/schedules/schedule_3k_adamw.py',
    '../_base_/methods/supervised.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = 'data_lists/camvid/camvid.0@1by30.txt'
train_dataloader = train_loader(globals())

data_preprocessor = dict(size=_base_.crop_size)
model = dict(data_preprocessor=data_preprocessor)
