_base_ = './sup_deeplabv3plus_r50-d16_1xb7-150k_cityscapes-1by8-512x512.py'

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = ''  # no list: all images of the folder
train_dataloader = train_loader(globals())
