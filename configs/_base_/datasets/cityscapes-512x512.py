# Cityscapes at half size (1024x512), crops of 512x512 as in the class-wise memory bank, supervised only
_base_ = './cityscapes.py'

from mmseg_contrast.datasets.loaders import train_loader

crop_size = (512, 512)
batch_size = 5
geometry = dict(rotate=None, crop=dict(crop_size=crop_size))
train_dataloader = train_loader(globals())
