_base_ = './finetune_stdc1_camvid-1by30-160x160.py'

from mmseg_contrast.datasets.loaders import train_loader

load_from = f'work_dirs/pretrain_stdc1_camvid-1by8-160x160/iter_{_base_.max_iters}.pth'
labeled_list = 'data_lists/camvid/camvid.0@1by8.txt'
train_dataloader = train_loader(globals())
# twice as long as the pretraining: with so many labels cross-entropy goes on gaining
max_iters = 2 * _base_.max_iters
param_scheduler = [dict(_base_.poly, end=max_iters)]
train_cfg = dict(max_iters=max_iters, val_interval=2 * _base_.train_cfg.val_interval)
