_base_ = './csc_deeplabv3plus_r101-d8_1xb8-185k_voc12aug-u2pl-semi-1by8-480x480.py'

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = 'data_lists/voc12aug/u2pl_voc12aug.0@1by16.txt'
unlabeled_list = 'data_lists/voc12aug/u2pl_voc12aug.0@1by16-unlabeled.txt'
train_dataloader = train_loader(globals())
max_iters = 198000
param_scheduler = [dict(_base_.poly, end=max_iters)]
train_cfg = dict(max_iters=max_iters, val_interval=19800)
