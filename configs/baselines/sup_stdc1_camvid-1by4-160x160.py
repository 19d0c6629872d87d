_base_ = './sup_stdc1_camvid-1by8-160x160.py'

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = 'data_lists/camvid/camvid.0@1by4.txt'
train_dataloader = train_loader(globals())
