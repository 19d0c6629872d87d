# Generated mosaics, labelled and unlabelled 8 + 8
_base_ = ['./mosaic.py', './weak_and_mild.py']

from mmseg_contrast.datasets.loaders import train_loader

unlabeled_list = f'{_base_.data_root}/lists/mosaic.0@8-unlabeled.txt'
batch_size = 16
train_dataloader = train_loader(globals())
