_base_ = './pretrain_deeplabv3plus_r50-d16_4xb4-300k_cityscapes-596-513x513.py'

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = ''  # no list: all images of the folder
train_dataloader = train_loader(globals())
