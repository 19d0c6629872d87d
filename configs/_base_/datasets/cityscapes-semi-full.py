# Cityscapes at full size (2048x1024), labelled and unlabelled 2 + 2 per process
_base_ = ['./cityscapes-full.py', './weak_and_strong.py']

from mmseg_contrast.datasets.loaders import train_loader

unlabeled_list = 'data_lists/cityscapes/cityscapes.0@1by8-unlabeled.txt'
batch_size = 4
train_dataloader = train_loader(globals())
