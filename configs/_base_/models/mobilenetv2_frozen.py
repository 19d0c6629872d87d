# MobileNetV2 with the backbone as it was pretrained: no backward pass through it, and no copy of it
_base_ = './mobilenetv2.py'

model = dict(backbone=dict(type='FrozenBackbone', of='MobileNetV2'))
