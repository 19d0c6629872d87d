_base_ = './sup_deeplabv2_r101-d8_1xb5-150k_cityscapes-1by30-512x512.py'

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = 'data_lists/cityscapes/cityscapes.0@1by4.txt'
train_dataloader = train_loader(globals())
