_base_ = [
    '../_base_/models/deeplabv3plus_r50-d16_official.py',
    '../_base_/datasets/cityscapes-full-512x512.py',
    '../_base_/schedules/schedule_150k_sgd_official.py',
    '../_base_/methods/supervised.py',
    '../_base_/default_runtime.py',
]

# by the data set's means, to a range of 1
normalisation = dict(mean=[73.158, 82.909, 72.392], std=[255.0, 255.0, 255.0])
data_preprocessor = dict(size=_base_.crop_size, **normalisation)
model = dict(data_preprocessor=data_preprocessor)
optim_wrapper = dict(optimizer=dict(lr=1.2e-3))
