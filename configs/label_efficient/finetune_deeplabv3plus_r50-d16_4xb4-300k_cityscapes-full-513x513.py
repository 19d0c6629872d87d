_base_ = './finetune_deeplabv3plus_r50-d16_4xb4-50k_cityscapes-596-513x513.py'

from mmseg_contrast.datasets.loaders import train_loader

load_from = (
    'work_dirs/pretrain_deeplabv3plus_r50-d16_4xb4-300k_cityscapes-full-513x513/iter_300000.pth'
)
labeled_list = ''  # no list: all images of the folder
train_dataloader = train_loader(globals())
max_iters = 300000
param_scheduler = [dict(_base_.cosine, end=max_iters)]
train_cfg = dict(max_iters=max_iters)
