# Labels and the pseudo-labels of chain_stdc1_camvid-1by30-160x160.py
_base_ = './finetune_stdc1_camvid-1by30-160x160.py'

from mmseg_contrast.datasets.loaders import train_loader

load_from = f'work_dirs/pretrain_stdc1_camvid-semi-1by30-160x160/iter_{_base_.max_iters // 2}.pth'
unlabeled_list = 'data_lists/camvid/camvid.0@1by30-unlabeled.txt'
pseudo_labels = 'work_dirs/chain_stdc1_camvid-1by30-160x160/pseudo_labels/masks'
batch_size = 2 * _base_.batch_size
source_ratio = [1, 1]
train_dataloader = train_loader(globals())
# three times as long as its pretraining, which only goes on from a net that is fine-tuned
max_iters = 3 * _base_.max_iters // 2
param_scheduler = [dict(_base_.poly, end=max_iters)]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters // 3)
