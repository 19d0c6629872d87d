# DeepLabV2 as the published code of the class-wise memory bank has it: batch norm of the batch, two rates
_base_ = './deeplabv2_r101-d8.py'

model = dict(
    backbone=dict(norm_eval=False),
    decode_head=dict(dilations=(6, 12), align_corners=True, loss_decode=dict(norm='class_weight')),
)
