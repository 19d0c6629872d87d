_base_ = './c3semiseg_deeplabv2_r101-d8_4xb4-20k_bdd100k-semi-1by8-512x512.py'

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = 'data_lists/bdd100k/bdd100k.0@1by30.txt'
unlabeled_list = 'data_lists/bdd100k/bdd100k.0@1by30-unlabeled.txt'
train_dataloader = train_loader(globals())
