# SigLIP 2 (Tschannen et al., 2025) ViT-B/16 of timm, which needs torchvision, with a linear head
# docs/backbones.md says how to take a local file
_base_ = './dinov2-small_linear.py'

data_preprocessor = dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5])
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(
        _delete_=True,
        type='PaddedTIMMBackbone',
        model_name='vit_base_patch16_siglip_224.v2_webli',
        size_divisor=16,
        out_indices=(2, 5, 8, 11),
        dynamic_img_size=True,
    ),
    decode_head=dict(in_channels=768, channels=768),
)
