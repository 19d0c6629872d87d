_base_ = [
    '../_base_/models/deeplabv3plus_r50-d16.py',
    '../_base_/datasets/cityscapes-full-semi-512x512.py',
    '../_base_/schedules/schedule_150k_sgd.py',
    '../_base_/methods/memory_bank_published.py',
    '../_base_/default_runtime.py',
]

data_preprocessor = dict(type='MultiBranchDataPreprocessor', size=_base_.crop_size)
model = dict(
    **_base_.memory_bank,
    data_preprocessor=data_preprocessor,
    # the classifier sees stride 4: as many positions as at the paper's stride 8
    auxiliary_head=[dict(_base_.bank_contrast, max_pixels=28672)],
)
optim_wrapper = dict(optimizer=dict(lr=4e-4))
