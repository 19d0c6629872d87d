_base_ = [
    '../_base_/models/segformer_mit-b0.py',
    '../_base_/datasets/cityscapes-semi.py',
    '../_base_/schedules/schedule_25k_adamw.py',
    '../_base_/methods/csc.py',
    '../_base_/default_runtime.py',
]

csc = _base_.csc
csc.selector.threshold = 0.0
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(
    **csc,
    data_preprocessor=data_preprocessor,
    auxiliary_head=[dict(_base_.csc_contrast)],
)
