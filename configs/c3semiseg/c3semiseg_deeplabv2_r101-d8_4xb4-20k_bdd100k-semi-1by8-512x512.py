_base_ = [
    '../_base_/models/deeplabv2_r101-d8.py',
    '../_base_/datasets/bdd100k-semi.py',
    '../_base_/schedules/schedule_20k_adam.py',
    '../_base_/methods/c3semiseg_published.py',
    '../_base_/default_runtime.py',
]

data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(
    **_base_.c3semiseg,
    data_preprocessor=data_preprocessor,
    decode_head=dict(loss_decode=dict(norm='image')),
    auxiliary_head=[dict(_base_.c3_contrast, in_channels=2048)],
)
