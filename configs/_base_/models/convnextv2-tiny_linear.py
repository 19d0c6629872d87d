# ConvNeXt V2-T (Woo et al., CVPR 2023) with one 1x1 convolution on its four stages together. Its weights may
# not be used commercially (CC-BY-NC)
pretrained = 'facebook/convnextv2-tiny-22k-224'
sync_bn = 'torch'  # in distributed training; one process keeps plain batch norm
data_preprocessor = dict(
    type='SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='TransformersBackbone',
        config=dict(
            model_type='convnextv2',
            depths=[3, 3, 9, 3],
            hidden_sizes=[96, 192, 384, 768],
            drop_path_rate=0.1,
        ),
        out_indices=(1, 2, 3, 4),
        init_cfg=dict(type='Pretrained', checkpoint=pretrained),
    ),
    decode_head=dict(
        type='FCNHead',
        in_channels=[96, 192, 384, 768],
        channels=1440,
        in_index=[0, 1, 2, 3],
        input_transform='resize_concat',
        num_convs=0,
        concat_input=False,
        dropout_ratio=0.1,
        num_classes=19,
        align_corners=False,
        loss_decode=dict(type='PixelCrossEntropyLoss'),
    ),
    test_cfg=dict(mode='whole'),
)
# a fifth of the head's rate for what is pretrained, and less for each earlier block
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=5e-4, weight_decay=0.01),
    constructor='LayerDecayConstructor',
    paramwise_cfg=dict(layer_decay=0.9, custom_keys=dict(backbone=dict(lr_mult=0.2))),
)
