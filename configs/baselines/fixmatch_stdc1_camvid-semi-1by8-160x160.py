_base_ = [
    '../_base_/models/stdc1_camvid.py',
    '../_base_/datasets/camvid-320x240-semi-mild.py',
    '../_base_/schedules/schedule_3k_adamw.py',
    '../_base_/methods/fixmatch.py',
    '../_base_/default_runtime.py',
]

fixmatch = _base_.fixmatch
fixmatch.semi_train_cfg = _base_.semi_train_cfg
fixmatch.unsup_loss.ramp = _base_.ramp
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(**fixmatch, data_preprocessor=data_preprocessor)
