# Generated mosaics, labelled and unlabelled 8 + 8
_base_ = './mosaic.py'

from mmseg_contrast.datasets.loaders import train_loader

unlabeled_list = f'{_base_.data_root}/lists/mosaic.0@8-unlabeled.txt'
batch_size = 16
source_ratio = [1, 1]
# weaker than in the paper: a net from scratch has no features yet that survive more
branches = dict(
    weak={},
    strong=dict(
        jitter=dict(type='ColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1)
    ),
)
train_dataloader = train_loader(globals())
