_base_ = [
    '../_base_/models/deeplabv2_r101-d8_official.py',
    '../_base_/datasets/voc12aug-321x321.py',
    '../_base_/schedules/schedule_150k_sgd_official.py',
    '../_base_/methods/supervised.py',
    '../_base_/default_runtime.py',
]

num_classes = 21
# by the data set's means, to a range of 1
normalisation = dict(mean=[122.679, 116.669, 104.007], std=[255.0, 255.0, 255.0])
data_preprocessor = dict(size=_base_.crop_size, **normalisation)
model = dict(data_preprocessor=data_preprocessor, decode_head=dict(num_classes=num_classes))
