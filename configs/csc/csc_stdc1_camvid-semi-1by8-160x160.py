_base_ = [
    '../_base_/models/stdc1_camvid.py',
    '../_base_/datasets/camvid-320x240-semi-mild.py',
    '../_base_/schedules/schedule_3k_adamw.py',
    '../_base_/methods/csc.py',
    '../_base_/default_runtime.py',
]

csc = _base_.csc
csc.semi_train_cfg = _base_.semi_train_cfg
csc.unsup_loss.ramp = _base_.ramp
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
contrast = dict(_base_.small_csc_contrast, loss_weight=0.1)
auxiliary_head = [*_base_.supervised_heads, contrast]
model = dict(**csc, data_preprocessor=data_preprocessor, auxiliary_head=auxiliary_head)
