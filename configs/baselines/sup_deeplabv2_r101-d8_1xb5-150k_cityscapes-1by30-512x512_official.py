_base_ = './sup_deeplabv2_r101-d8_1xb5-150k_cityscapes-1by30-512x512.py'

model = dict(
    backbone=dict(norm_eval=False), decode_head=dict(dilations=(6, 12), align_corners=True)
)
optim_wrapper = dict(
    optimizer=dict(lr=6e-4),
    paramwise_cfg=dict(
        custom_keys={'auxiliary_head': dict(lr_mult=2 / 3), 'backbone.conv1': dict(lr_mult=1 / 3)}
    ),
)
