_base_ = './finetune_deeplabv3plus_r50-d16_4xb4-50k_voc12aug-2118-513x513.py'

from mmseg_contrast.datasets.loaders import train_loader

load_from = (
    'work_dirs/pretrain_deeplabv3plus_r50-d16_4xb4-300k_voc12aug-full-513x513/iter_300000.pth'
)
labeled_list = f'{_base_.data_root}/ImageSets/Segmentation/trainaug.txt'
train_dataloader = train_loader(globals())
max_iters = 300000
param_scheduler = [dict(_base_.cosine, end=max_iters)]
train_cfg = dict(max_iters=max_iters)
