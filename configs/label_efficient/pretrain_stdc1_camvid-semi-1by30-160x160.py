# Labels and the pseudo-labels of chain_stdc1_camvid-1by30-160x160.py
_base_ = './pretrain_stdc1_camvid-1by30-160x160.py'

from mmseg_contrast.datasets.loaders import train_loader

# goes on from the net that made them; with 12 labels that ended higher than a start from scratch
load_from = f'work_dirs/finetune_stdc1_camvid-1by30-160x160/iter_{_base_.max_iters}.pth'
unlabeled_list = 'data_lists/camvid/camvid.0@1by30-unlabeled.txt'
pseudo_labels = 'work_dirs/chain_stdc1_camvid-1by30-160x160/pseudo_labels/masks'
batch_size = 2 * _base_.batch_size
source_ratio = [1, 1]
train_dataloader = train_loader(globals())
# half as long as the first one; its fine-tuning is so much longer
max_iters = _base_.max_iters // 2
param_scheduler = [dict(_base_.cosine, end=max_iters)]
train_cfg = dict(max_iters=max_iters)
