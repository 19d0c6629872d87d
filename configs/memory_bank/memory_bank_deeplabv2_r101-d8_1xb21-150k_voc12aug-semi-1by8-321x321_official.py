# As in the published code, as far as there are options: README.md has what is not reproduced
_base_ = [
    '../_base_/models/deeplabv2_r101-d8_official.py',
    '../_base_/datasets/voc12aug-semi-321x321.py',
    '../_base_/schedules/schedule_150k_sgd_official.py',
    '../_base_/methods/memory_bank_official.py',
    '../_base_/default_runtime.py',
]

num_classes = 21
# 0.01 times the 14 views of a step, in units of log 21
entropy_loss = dict(_base_.entropy_loss, loss_weight=0.046)
memory_bank = _base_.memory_bank
memory_bank.unsup_loss = [_base_.pseudo_loss, entropy_loss]
# class balancing does not help there (section 4.2)
memory_bank.class_weights = None
memory_bank.mixing.background = 0
# by the data set's means, to a range of 1
normalisation = dict(mean=[122.679, 116.669, 104.007], std=[255.0, 255.0, 255.0])
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size, **normalisation)
model = dict(
    **memory_bank,
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=num_classes),
    auxiliary_head=[dict(_base_.bank_contrast, in_channels=2048, in_index=3, rows_factor=7)],
)
