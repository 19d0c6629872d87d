_base_ = './csc_stdc1_camvid-semi-1by8-160x160.py'

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = 'data_lists/camvid/camvid.0@1by30.txt'
unlabeled_list = 'data_lists/camvid/camvid.0@1by30-unlabeled.txt'
train_dataloader = train_loader(globals())
# 12 labels are fitted soon: the paper's weight
contrast = dict(_base_.contrast, loss_weight=1.0)
model = dict(auxiliary_head=[*_base_.supervised_heads, contrast])
