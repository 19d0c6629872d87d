_base_ = [
    '../_base_/models/fpn_r18-narrow.py',
    '../_base_/datasets/mosaic-semi.py',
    '../_base_/schedules/schedule_1k_adamw.py',
    '../_base_/methods/unimatch.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

unimatch = _base_.unimatch
unimatch.semi_train_cfg = _base_.semi_train_cfg
unimatch.unsup_loss.ramp = _base_.ramp
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(**unimatch, data_preprocessor=data_preprocessor, decode_head=dict(num_classes=9))
# a second strong view, drawn on its own
branches = dict(strong2=_base_.branches.strong)
train_dataloader = train_loader(globals())
