_base_ = './sup_deeplabv2_r101-d8_4xb4-25k_cityscapes-1by8-256x512.py'

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = 'data_lists/cityscapes/cityscapes.0@1by30.txt'
train_dataloader = train_loader(globals())
