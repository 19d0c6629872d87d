# BDD100K, labelled and unlabelled 2 + 2 per process
_base_ = ['./bdd100k.py', './weak_and_strong.py']

from mmseg_contrast.datasets.loaders import train_loader

unlabeled_list = 'data_lists/bdd100k/bdd100k.0@1by8-unlabeled.txt'
batch_size = 4
train_dataloader = train_loader(globals())
