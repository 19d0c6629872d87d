_base_ = [
    '../_base_/models/fpn_r18-narrow.py',
    '../_base_/datasets/mosaic-semi.py',
    '../_base_/schedules/schedule_1k_adamw.py',
    '../_base_/methods/unimatch.py',
    '../_base_/default_runtime.py',
]

from mmseg_contrast.datasets.loaders import train_loader

burn_in = 400
unimatch = _base_.unimatch
unimatch.semi_train_cfg.burn_in = burn_in
unimatch.unsup_loss.ramp = dict(start=burn_in, length=burn_in)
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(**unimatch, data_preprocessor=data_preprocessor, decode_head=dict(num_classes=9))
# a second strong view, drawn on its own
branch_field = [*_base_.branch_field, 'strong2']
branches = dict(strong2=_base_.branches.strong)
train_dataloader = train_loader(globals())
