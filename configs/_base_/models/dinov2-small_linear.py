# DINOv2 (Oquab et al., TMLR 2024) ViT-S/14 with a linear head: one 1x1 convolution on the last block.
# `pretrained` may be a local folder or file; docs/backbones.md
pretrained = 'facebook/dinov2-small'
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
            model_type='dinov2',
            hidden_size=384,
            num_attention_heads=6,
            num_hidden_layers=12,
            patch_size=14,
            image_size=518,
        ),
        out_indices=(3, 6, 9, 12),
        init_cfg=dict(type='Pretrained', checkpoint=pretrained),
    ),
    decode_head=dict(
        type='FCNHead',
        in_channels=384,
        channels=384,
        in_index=-1,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0.1,
        num_classes=19,
        align_corners=False,
        loss_decode=dict(type='PixelCrossEntropyLoss'),
    ),
    test_cfg=dict(mode='whole'),
)
# the rates of UniMatch V2: 5e-6 for what is pretrained, 40 times as much for the head
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-4, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1 / 40))),
)
