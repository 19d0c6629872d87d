_base_ = [
    '../_base_/models/fpn_r18-narrow.py',
    '../_base_/datasets/mosaic-semi.py',
    '../_base_/schedules/schedule_1k_adamw.py',
    '../_base_/methods/csc.py',
    '../_base_/default_runtime.py',
]

# fewer pixels and a smaller bank than the paper's, which take most of the time on a CPU
contrast = _base_.csc_contrast
contrast.update(samples_per_class=8, enqueue_per_class=1, bank=dict(contrast.bank, size=250))
csc = dict(_base_.csc, semi_train_cfg=_base_.semi_train_cfg, auxiliary_head=[contrast])
csc['unsup_loss'].ramp = _base_.ramp
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(**csc, data_preprocessor=data_preprocessor, decode_head=dict(num_classes=9))
