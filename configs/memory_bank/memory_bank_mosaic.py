_base_ = [
    '../_base_/models/fpn_r18-narrow.py',
    '../_base_/datasets/mosaic-semi-views.py',
    '../_base_/schedules/schedule_1k_adamw.py',
    '../_base_/methods/memory_bank_from_scratch.py',
    '../_base_/default_runtime.py',
]

data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(
    **_base_.memory_bank,
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=9),
    auxiliary_head=[dict(_base_.bank_contrast, channels=64)],
)
