# As in the published code, as far as there are options: README.md has what is not reproduced
_base_ = [
    '../_base_/models/deeplabv2_r101-d8_official.py',
    '../_base_/datasets/cityscapes-semi-512x512.py',
    '../_base_/schedules/schedule_150k_sgd_official.py',
    '../_base_/methods/memory_bank_official.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

labeled_list = 'data_lists/cityscapes/cityscapes.0@1by30.txt'
unlabeled_list = 'data_lists/cityscapes/cityscapes.0@1by30-unlabeled.txt'
train_dataloader = train_loader(globals())
# 0.01 times the 4 views of a step, in units of log 19: what ran when the results were made
entropy_loss = dict(_base_.entropy_loss, loss_weight=0.0136)
memory_bank = _base_.memory_bank
memory_bank.unsup_loss = [_base_.pseudo_loss, entropy_loss]
# by the data set's means, to a range of 1
normalisation = dict(mean=[73.158, 82.909, 72.392], std=[255.0, 255.0, 255.0])
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size, **normalisation)
model = dict(
    **memory_bank,
    data_preprocessor=data_preprocessor,
    auxiliary_head=[dict(_base_.bank_contrast, in_channels=2048, in_index=3)],
)
