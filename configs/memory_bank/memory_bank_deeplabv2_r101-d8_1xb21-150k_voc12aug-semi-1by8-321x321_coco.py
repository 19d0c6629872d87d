# From a local file with DeepLab's ResNet-101 of COCO, see configs/memory_bank/README.md
_base_ = './memory_bank_deeplabv2_r101-d8_1xb21-150k_voc12aug-semi-1by8-321x321.py'

weights = 'pretrained/resnet101COCO-41f33a49.pth'
# caffe's normalisation and strides, and BGR
data_preprocessor = dict(bgr_to_rgb=False, mean=[104.008, 116.669, 122.675], std=[1.0, 1.0, 1.0])
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(style='caffe', init_cfg=dict(type='Pretrained', checkpoint=weights)),
)
