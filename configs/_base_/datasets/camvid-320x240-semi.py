# CamVid, labelled and unlabelled 4 + 4
_base_ = './camvid-320x240.py'

from mmseg_contrast.datasets.loaders import train_loader

unlabeled_list = 'data_lists/camvid/camvid.0@1by8-unlabeled.txt'
batch_size = 8
source_ratio = [1, 1]
branches = dict(
    weak={},
    strong=dict(
        jitter=dict(type='ColorJitter', brightness=0.5, contrast=0.5, saturation=0.5, hue=0.25),
        rand_augment=dict(type='RandAugmentColor'),
    ),
)
train_dataloader = train_loader(globals())
