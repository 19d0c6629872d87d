_base_ = [
    '../_base_/models/deeplabv2_r101-d8.py',
    '../_base_/datasets/bdd100k.py',
    '../_base_/schedules/schedule_20k_adam.py',
    '../_base_/methods/supervised.py',
    '../_base_/default_runtime.py',
]

data_preprocessor = dict(size=_base_.crop_size)
# the means of Eq. 1 of C3-SemiSeg, whose baseline it is: of each image, then of the batch
model = dict(data_preprocessor=data_preprocessor, decode_head=dict(loss_decode=dict(norm='image')))
