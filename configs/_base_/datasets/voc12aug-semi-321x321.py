# PASCAL VOC 2012 aug at its own size, crops of 321x321, labelled and unlabelled 14 + 7 per process.
# Views of the unlabelled images are made on the device, so there is one branch of them
_base_ = './voc12aug.py'

from mmseg_contrast.datasets.loaders import train_loader

crop_size = (321, 321)
geometry = dict(resize=None, crop=dict(crop_size=crop_size))
unlabeled_list = 'data_lists/voc12aug/voc12aug.0@1by8-unlabeled.txt'
batch_size = 21
source_ratio = [14, 7]
branches = dict(weak={})
train_dataloader = train_loader(globals())
