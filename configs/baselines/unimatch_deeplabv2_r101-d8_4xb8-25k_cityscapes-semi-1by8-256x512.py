_base_ = [
    '../_base_/models/deeplabv2_r101-d8.py',
    '../_base_/datasets/cityscapes-semi.py',
    '../_base_/schedules/schedule_25k_adam.py',
    '../_base_/methods/unimatch.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

unimatch = _base_.unimatch
unimatch.selector.threshold = 0.0  # as published for Cityscapes
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(
    **unimatch,
    data_preprocessor=data_preprocessor,
    # the supervised loss of the other columns
    decode_head=dict(loss_decode=dict(norm='image')),
)
# a second strong view, drawn on its own
branches = dict(strong2=_base_.branches.strong)
train_dataloader = train_loader(globals())
