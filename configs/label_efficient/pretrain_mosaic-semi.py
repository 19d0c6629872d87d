# Labels and the pseudo-labels of chain_mosaic.py
_base_ = './pretrain_mosaic.py'

from mmseg_contrast.datasets.loaders import train_loader

unlabeled_list = f'{_base_.data_root}/lists/mosaic.0@8-unlabeled.txt'
pseudo_labels = 'work_dirs/chain_mosaic/pseudo_labels/masks'
batch_size = 2 * _base_.batch_size
source_ratio = [1, 1]
train_dataloader = train_loader(globals())
