_base_ = [
    '../_base_/models/deeplabv2_r101-d8.py',
    '../_base_/datasets/cityscapes-semi-512x512.py',
    '../_base_/schedules/schedule_150k_sgd.py',
    '../_base_/methods/memory_bank.py',
    '../_base_/default_runtime.py',
]

data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(
    **_base_.memory_bank,
    data_preprocessor=data_preprocessor,
    auxiliary_head=[dict(_base_.bank_contrast, in_channels=2048, in_index=3)],
)
