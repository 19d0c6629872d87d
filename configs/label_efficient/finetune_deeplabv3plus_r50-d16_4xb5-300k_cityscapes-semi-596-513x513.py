# Labels and the pseudo-labels of chain_deeplabv3plus_r50-d16_cityscapes-596-513x513.py
_base_ = './finetune_deeplabv3plus_r50-d16_4xb4-50k_cityscapes-596-513x513.py'

from mmseg_contrast.datasets.loaders import train_loader

load_from = (
    'work_dirs/pretrain_deeplabv3plus_r50-d16_4xb5-300k_cityscapes-semi-596-513x513/iter_300000.pth'
)
max_iters = 300000
param_scheduler = [dict(_base_.cosine, end=max_iters)]
train_cfg = dict(max_iters=max_iters)
unlabeled_list = 'data_lists/cityscapes/cityscapes.0@596-unlabeled.txt'
pseudo_labels = 'work_dirs/chain_deeplabv3plus_r50-d16_cityscapes-596-513x513/pseudo_labels/masks'
batch_size = 5
# one image in five is labelled, as in the union of both sets, which the paper draws from
source_ratio = [1, 4]
train_dataloader = train_loader(globals())
