# Swin Transformer V2-T (Liu et al., CVPR 2022) with UPerNet
_base_ = './convnextv2-tiny_upernet.py'

pretrained = 'microsoft/swinv2-tiny-patch4-window8-256'
model = dict(
    backbone=dict(
        config=dict(
            _delete_=True,
            model_type='swinv2',
            embed_dim=96,
            depths=[2, 2, 6, 2],
            num_heads=[3, 6, 12, 24],
            window_size=8,
            image_size=256,
            drop_path_rate=0.1,
        ),
        init_cfg=dict(checkpoint=pretrained),
    )
)
