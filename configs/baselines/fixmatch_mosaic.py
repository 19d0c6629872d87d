_base_ = [
    '../_base_/models/fpn_r18-narrow.py',
    '../_base_/datasets/mosaic-semi.py',
    '../_base_/schedules/schedule_1k_adamw.py',
    '../_base_/methods/fixmatch.py',
    '../_base_/default_runtime.py',
]

fixmatch = _base_.fixmatch
fixmatch.semi_train_cfg = _base_.semi_train_cfg
fixmatch.unsup_loss.ramp = _base_.ramp
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(**fixmatch, data_preprocessor=data_preprocessor, decode_head=dict(num_classes=9))
