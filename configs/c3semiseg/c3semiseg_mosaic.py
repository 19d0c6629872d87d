_base_ = [
    '../_base_/models/fpn_r18-narrow.py',
    '../_base_/datasets/mosaic-semi.py',
    '../_base_/schedules/schedule_1k_adamw.py',
    '../_base_/methods/c3semiseg.py',
    '../_base_/default_runtime.py',
]

# stride 4; fewer pixels than the paper's 20, which take most of the time on a CPU
contrast = _base_.c3_contrast
contrast.update(in_channels=32, in_index=0, samples_per_class=8, ramp=dict(start=0, length=250))
# a smaller weight than for the paper's pretrained net
c3semiseg = dict(_base_.c3semiseg, semi_train_cfg=_base_.semi_train_cfg, auxiliary_head=[contrast])
c3semiseg['unsup_loss'].update(loss_weight=1.0, ramp=_base_.ramp)
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(**c3semiseg, data_preprocessor=data_preprocessor, decode_head=dict(num_classes=9))
