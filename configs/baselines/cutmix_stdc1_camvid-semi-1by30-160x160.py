# C3-SemiSeg without region selection and contrast, mixing within each set alone
_base_ = '../c3semiseg/c3semiseg_stdc1_camvid-semi-1by8-160x160.py'

from mmseg_contrast.datasets.loaders import train_loader

model = dict(selector=None, mixing=dict(pairs='intra'), auxiliary_head=_base_.supervised_heads)

labeled_list = 'data_lists/camvid/camvid.0@1by30.txt'
unlabeled_list = 'data_lists/camvid/camvid.0@1by30-unlabeled.txt'
train_dataloader = train_loader(globals())
