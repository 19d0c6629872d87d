# DeepLab's ResNet-101 of COCO, from a local file: see configs/memory_bank/README.md. Beside a config with
# DeepLabV2 in the bases of another:
#     data_preprocessor = _base_.caffe
#     model = dict(data_preprocessor=data_preprocessor, backbone=_base_.coco_resnet101)
weights = 'pretrained/resnet101COCO-41f33a49.pth'
# caffe's normalisation and strides, and BGR
caffe = dict(bgr_to_rgb=False, mean=[104.008, 116.669, 122.675], std=[1.0, 1.0, 1.0])
coco_resnet101 = dict(style='caffe', init_cfg=dict(type='Pretrained', checkpoint=weights))
