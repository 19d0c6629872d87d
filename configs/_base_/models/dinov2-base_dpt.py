# DINOv2 ViT-B/14 with the DPT head of UniMatch V2
_base_ = './dinov2-small_dpt.py'

pretrained = 'facebook/dinov2-base'
model = dict(
    backbone=dict(
        config=dict(hidden_size=768, num_attention_heads=12),
        init_cfg=dict(checkpoint=pretrained),
    ),
    decode_head=dict(in_channels=768, channels=128, post_process_channels=[96, 192, 384, 768]),
)
