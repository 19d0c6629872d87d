# BDD100K, labelled and unlabelled 2 + 2 per process
_base_ = './bdd100k.py'

from mmseg_contrast.datasets.loaders import train_loader

unlabeled_list = 'data_lists/bdd100k/bdd100k.0@1by8-unlabeled.txt'
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
