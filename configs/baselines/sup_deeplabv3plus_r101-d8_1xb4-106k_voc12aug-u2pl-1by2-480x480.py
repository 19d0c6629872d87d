_base_ = './sup_deeplabv3plus_r101-d8_1xb4-185k_voc12aug-u2pl-1by8-480x480.py'

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = 'data_lists/voc12aug/u2pl_voc12aug.0@1by2.txt'
train_dataloader = train_loader(globals())
max_iters = 106000
param_scheduler = [dict(_base_.poly, end=max_iters)]
train_cfg = dict(max_iters=max_iters, val_interval=10600)
