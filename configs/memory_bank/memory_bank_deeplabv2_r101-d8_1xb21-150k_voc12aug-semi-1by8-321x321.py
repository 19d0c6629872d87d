_base_ = [
    '../_base_/models/deeplabv2_r101-d8.py',
    '../_base_/datasets/voc12aug-semi-321x321.py',
    '../_base_/schedules/schedule_150k_sgd.py',
    '../_base_/methods/memory_bank_published.py',
    '../_base_/default_runtime.py',
]

num_classes = 21
memory_bank = _base_.memory_bank
# class balancing does not help there (section 4.2)
memory_bank.class_weights = None
memory_bank.mixing.background = 0
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(
    **memory_bank,
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=num_classes),
    auxiliary_head=[dict(_base_.bank_contrast, in_channels=2048, in_index=3)],
)
