# PASCAL VOC 2012 aug, labelled and unlabelled 4 + 4 per process
_base_ = ['./voc12aug.py', './weak_and_strong.py']

from mmseg_contrast.datasets.loaders import train_loader

unlabeled_list = 'data_lists/voc12aug/voc12aug.0@1by8-unlabeled.txt'
batch_size = 8
train_dataloader = train_loader(globals())
