# CamVid, labelled and unlabelled 4 + 2.
# Views of the unlabelled images are made on the device, so there is one branch of them
_base_ = './camvid-320x240.py'

from mmseg_contrast.datasets.loaders import train_loader

unlabeled_list = 'data_lists/camvid/camvid.0@1by8-unlabeled.txt'
batch_size = 6
source_ratio = [2, 1]
branches = dict(weak={})
train_dataloader = train_loader(globals())
