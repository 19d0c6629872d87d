_base_ = './scratch_deeplabv3plus_r50-d16_4xb4-300k_cityscapes-596-513x513.py'

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = ''  # no list: all images of the folder
train_dataloader = train_loader(globals())
max_iters = 600000
param_scheduler = [dict(_base_.cosine, end=max_iters)]
train_cfg = dict(max_iters=max_iters)
