# DINOv2 ViT-S/14 with the DPT head (Ranftl et al., ICCV 2021) of UniMatch V2, on four of its blocks
_base_ = './dinov2-small_linear.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='FeatureDPTHead',
        in_channels=384,
        channels=64,
        post_process_channels=[48, 96, 192, 384],
        dropout_ratio=0.1,
        num_classes=19,
        norm_cfg=dict(type='BN', requires_grad=True),
        align_corners=False,
        loss_decode=dict(type='PixelCrossEntropyLoss'),
    )
)
