# DINOv2 ViT-S/14 whose weights stay as they were pretrained; the DPT head alone learns
_base_ = './dinov2-small_dpt.py'

model = dict(backbone=dict(type='FrozenBackbone', of='TransformersBackbone'))
