# DINOv2 ViT-S/14 whose weights stay as they were pretrained; the linear head alone learns
_base_ = './dinov2-small_linear.py'

model = dict(backbone=dict(type='FrozenBackbone', of='TransformersBackbone'))
# nothing else to spoil: a higher rate
optim_wrapper = dict(optimizer=dict(lr=1e-3))
