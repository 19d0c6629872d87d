_base_ = './sup_deeplabv3plus_r101-d8_1xb2-260k_cityscapes-u2pl-1by8-640x640.py'

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = 'data_lists/cityscapes/u2pl_cityscapes.0@1by16.txt'
train_dataloader = train_loader(globals())
max_iters = 279000
param_scheduler = [dict(_base_.poly, end=max_iters)]
train_cfg = dict(max_iters=max_iters, val_interval=27900)
