_base_ = [
    './memory_bank_deeplabv2_r101-d8_1xb7-150k_cityscapes-semi-1by30-512x512.py',
    '../_base_/models/coco_resnet101.py',
]

data_preprocessor = _base_.caffe
model = dict(data_preprocessor=data_preprocessor, backbone=_base_.coco_resnet101)
