# Cityscapes at full size (2048x1024), labelled and unlabelled 2 + 2 per process
_base_ = './cityscapes-full.py'

from mmseg_contrast.datasets.loaders import train_loader

unlabeled_list = 'data_lists/cityscapes/cityscapes.0@1by8-unlabeled.txt'
batch_size = 4
source_ratio = [1, 1]
branches = dict(
    weak={},
    strong=dict(
        jitter=dict(type='ColorJitter', brightness=0.5, contrast=0.5, saturation=0.5, hue=0.25),
        rand_augment=dict(type='RandAugmentColor'),
    ),
)
train_dataloader = train_loader(globals())
