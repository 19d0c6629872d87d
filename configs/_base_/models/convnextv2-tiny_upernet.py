# ConvNeXt V2-T with UPerNet (Xiao et al., ECCV 2018). Its weights may not be used commercially (CC-BY-NC)
_base_ = './convnextv2-tiny_linear.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='UPerHead',
        in_channels=[96, 192, 384, 768],
        in_index=[0, 1, 2, 3],
        pool_scales=(1, 2, 3, 6),
        channels=256,
        dropout_ratio=0.1,
        num_classes=19,
        norm_cfg=dict(type='BN', requires_grad=True),
        align_corners=False,
        loss_decode=dict(type='PixelCrossEntropyLoss'),
    )
)
