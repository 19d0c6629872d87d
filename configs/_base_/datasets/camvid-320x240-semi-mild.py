# CamVid, labelled and unlabelled 4 + 4, in weaker colours than camvid-320x240-semi.py
_base_ = ['./camvid-320x240.py', './weak_and_mild.py']

from mmseg_contrast.datasets.loaders import train_loader

unlabeled_list = 'data_lists/camvid/camvid.0@1by8-unlabeled.txt'
batch_size = 8
train_dataloader = train_loader(globals())
