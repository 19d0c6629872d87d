_base_ = './scratch_deeplabv3plus_r50-d16_4xb4-300k_voc12aug-2118-513x513.py'

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = f'{_base_.data_root}/ImageSets/Segmentation/trainaug.txt'
train_dataloader = train_loader(globals())
max_iters = 600000
param_scheduler = [dict(_base_.cosine, end=max_iters)]
train_cfg = dict(max_iters=max_iters)
