_base_ = [
    '../_base_/models/stdc1_camvid.py',
    '../_base_/datasets/camvid-320x240-semi-views.py',
    '../_base_/schedules/schedule_3k_adamw.py',
    '../_base_/methods/memory_bank_from_scratch.py',
    '../_base_/default_runtime.py',
]

data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(
    **_base_.memory_bank,
    data_preprocessor=data_preprocessor,
    auxiliary_head=[*_base_.model.auxiliary_head, _base_.bank_contrast],
)
