# Cityscapes at half size (1024x512), crops of 512x512, labelled and unlabelled 5 + 2 per process.
# Views of the unlabelled images are made on the device, so there is one branch of them
_base_ = './cityscapes.py'

from mmseg_contrast.datasets.loaders import train_loader

crop_size = (512, 512)
geometry = dict(rotate=None, crop=dict(crop_size=crop_size))
unlabeled_list = 'data_lists/cityscapes/cityscapes.0@1by8-unlabeled.txt'
batch_size = 7
source_ratio = [5, 2]
branches = dict(weak={})
train_dataloader = train_loader(globals())
