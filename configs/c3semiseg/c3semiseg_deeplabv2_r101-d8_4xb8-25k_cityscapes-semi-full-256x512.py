_base_ = './c3semiseg_deeplabv2_r101-d8_4xb8-25k_cityscapes-semi-1by8-256x512.py'

from mmseg_contrast.datasets.loaders import train_loader

# no list: all 2,975 images with their labels, and the same images once more without
labeled_list = ''
unlabeled_list = ''
train_dataloader = train_loader(globals())
