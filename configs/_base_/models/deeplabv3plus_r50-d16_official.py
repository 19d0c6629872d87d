# DeepLabV3+ as the published code of the class-wise memory bank has it: affine parameters frozen
_base_ = './deeplabv3plus_r50-d16.py'

model = dict(
    backbone=dict(norm_cfg=dict(type='BN', requires_grad=False)),
    decode_head=dict(align_corners=True, loss_decode=dict(norm='class_weight')),
)
