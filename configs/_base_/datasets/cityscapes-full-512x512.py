# Cityscapes at full size (2048x1024), crops of 512x512 as in the class-wise memory bank, supervised only
_base_ = './cityscapes-full.py'

from mmseg_contrast.datasets.loaders import train_loader

crop_size = (512, 512)
batch_size = 7
geometry = dict(
    resize=dict(_delete_=True, type='Resize', scale=_base_.image_scale, keep_ratio=True),
    rotate=None,
    crop=dict(crop_size=crop_size),
)
train_dataloader = train_loader(globals())
