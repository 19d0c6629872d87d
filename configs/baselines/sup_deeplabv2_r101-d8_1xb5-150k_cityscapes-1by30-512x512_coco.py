_base_ = [
    './sup_deeplabv2_r101-d8_1xb5-150k_cityscapes-1by30-512x512.py',
    '../_base_/models/coco_resnet101.py',
]

data_preprocessor = _base_.caffe
model = dict(data_preprocessor=data_preprocessor, backbone=_base_.coco_resnet101)
