# As in the published code, as far as there are options: README.md has what is not reproduced
_base_ = [
    '../_base_/models/deeplabv3plus_r50-d16_official.py',
    '../_base_/datasets/cityscapes-full-semi-512x512.py',
    '../_base_/schedules/schedule_150k_sgd_official.py',
    '../_base_/methods/memory_bank_official.py',
    '../_base_/default_runtime.py',
]

# 0.01 times the 6 views of a step, in units of log 19
entropy_loss = dict(_base_.entropy_loss, loss_weight=0.0204)
memory_bank = _base_.memory_bank
memory_bank.unsup_loss = [_base_.pseudo_loss, entropy_loss]
# by the data set's means, to a range of 1
normalisation = dict(mean=[73.158, 82.909, 72.392], std=[255.0, 255.0, 255.0])
data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size, **normalisation)
model = dict(
    **memory_bank,
    data_preprocessor=data_preprocessor,
    auxiliary_head=[dict(_base_.bank_contrast)],
)
optim_wrapper = dict(optimizer=dict(lr=1.2e-3))
