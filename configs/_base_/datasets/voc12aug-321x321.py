# PASCAL VOC 2012 aug at its own size, crops of 321x321 as in the class-wise memory bank, supervised only
_base_ = './voc12aug.py'

from mmseg_contrast.datasets.loaders import train_loader

crop_size = (321, 321)
batch_size = 14
geometry = dict(resize=None, crop=dict(crop_size=crop_size))
train_dataloader = train_loader(globals())
