_base_ = [
    '../_base_/models/fpn_r18-narrow.py',
    '../_base_/datasets/mosaic-semi.py',
    '../_base_/schedules/schedule_1k_adamw.py',
    '../_base_/methods/fixmatch_ema.py',
    '../_base_/default_runtime.py',
]

# a net from scratch, as in fixmatch_mosaic.py
fixmatch_ema = _base_.fixmatch_ema
fixmatch_ema.semi_train_cfg = _base_.semi_train_cfg
fixmatch_ema.unsup_loss.ramp = _base_.ramp
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(**fixmatch_ema, data_preprocessor=data_preprocessor, decode_head=dict(num_classes=9))
