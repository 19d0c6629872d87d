_base_ = './sup_deeplabv3plus_r50-d8_1xb4-10k_camvid-1by8-320x320.py'

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = 'data_lists/camvid/camvid.0@1by30.txt'
train_dataloader = train_loader(globals())
