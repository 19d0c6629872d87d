# Cityscapes at full size (2048x1024), crops of 512x512, labelled and unlabelled 7 + 3 per process.
# Views of the unlabelled images are made on the device, so there is one branch of them
_base_ = './cityscapes-full.py'

from mmseg_contrast.datasets.loaders import train_loader

crop_size = (512, 512)
geometry = dict(
    resize=dict(_delete_=True, type='Resize', scale=_base_.image_scale, keep_ratio=True),
    rotate=None,
    crop=dict(crop_size=crop_size),
)
unlabeled_list = 'data_lists/cityscapes/cityscapes.0@1by8-unlabeled.txt'
batch_size = 10
source_ratio = [7, 3]
branches = dict(weak={})
train_dataloader = train_loader(globals())
