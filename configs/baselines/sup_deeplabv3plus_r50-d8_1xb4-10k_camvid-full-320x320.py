_base_ = './sup_deeplabv3plus_r50-d8_1xb4-10k_camvid-1by8-320x320.py'

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = ''  # no list: all images of the folder
train_dataloader = train_loader(globals())
