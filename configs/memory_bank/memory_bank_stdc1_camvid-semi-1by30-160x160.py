_base_ = './memory_bank_stdc1_camvid-semi-1by8-160x160.py'

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = 'data_lists/camvid/camvid.0@1by30.txt'
unlabeled_list = 'data_lists/camvid/camvid.0@1by30-unlabeled.txt'
train_dataloader = train_loader(globals())
