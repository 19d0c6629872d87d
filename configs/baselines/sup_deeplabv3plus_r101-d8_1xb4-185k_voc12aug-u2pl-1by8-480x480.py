_base_ = [
    '../_base_/models/deeplabv3plus_r101-d8.py',
    '../_base_/datasets/voc12aug.py',
    '../_base_/schedules/schedule_185k_sgd.py',
    '../_base_/methods/supervised.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

num_classes = 21
crop_size = (480, 480)
labeled_list = 'data_lists/voc12aug/u2pl_voc12aug.0@1by8.txt'
geometry = dict(crop=dict(crop_size=crop_size))
train_dataloader = train_loader(globals())

data_preprocessor = dict(size=crop_size)
model = dict(
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=num_classes),
    # an auxiliary head on Cityscapes alone
    auxiliary_head=None,
)
