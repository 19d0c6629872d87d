_base_ = [
    '../_base_/models/deeplabv2_r101-d8.py',
    '../_base_/datasets/cityscapes-semi.py',
    '../_base_/schedules/schedule_25k_adam.py',
    '../_base_/methods/fixmatch.py',
    '../_base_/default_runtime.py',
]

fixmatch = _base_.fixmatch
fixmatch.selector.threshold = 0.0  # as published for Cityscapes
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(
    **fixmatch,
    data_preprocessor=data_preprocessor,
    # the supervised loss of the other columns
    decode_head=dict(loss_decode=dict(norm='image')),
)
