_base_ = [
    '../_base_/models/deeplabv2_r101-d8.py',
    '../_base_/datasets/cityscapes-semi-512x512.py',
    '../_base_/schedules/schedule_150k_sgd.py',
    '../_base_/methods/memory_bank_published.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = 'data_lists/cityscapes/cityscapes.0@1by30.txt'
unlabeled_list = 'data_lists/cityscapes/cityscapes.0@1by30-unlabeled.txt'
train_dataloader = train_loader(globals())
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(
    **_base_.memory_bank,
    data_preprocessor=data_preprocessor,
    auxiliary_head=[dict(_base_.bank_contrast, in_channels=2048, in_index=3)],
)
