# Generated mosaics, labelled and unlabelled 8 + 4.
# Views of the unlabelled images are made on the device, so there is one branch of them
_base_ = './mosaic.py'

from mmseg_contrast.datasets.loaders import train_loader

unlabeled_list = f'{_base_.data_root}/lists/mosaic.0@8-unlabeled.txt'
batch_size = 12
source_ratio = [2, 1]
branches = dict(weak={})
train_dataloader = train_loader(globals())
