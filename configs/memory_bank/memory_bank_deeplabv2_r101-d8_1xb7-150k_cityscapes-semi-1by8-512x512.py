_base_ = './memory_bank_deeplabv2_r101-d8_1xb7-150k_cityscapes-semi-1by30-512x512.py'

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = 'data_lists/cityscapes/cityscapes.0@1by8.txt'
unlabeled_list = 'data_lists/cityscapes/cityscapes.0@1by8-unlabeled.txt'
train_dataloader = train_loader(globals())
