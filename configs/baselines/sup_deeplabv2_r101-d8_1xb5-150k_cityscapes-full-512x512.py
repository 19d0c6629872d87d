_base_ = './sup_deeplabv2_r101-d8_1xb5-150k_cityscapes-1by30-512x512.py'

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = ''  # no list: all images of the folder
train_dataloader = train_loader(globals())
