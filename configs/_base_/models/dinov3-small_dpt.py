# DINOv3 ViT-S/16 with a DPT head
_base_ = './dinov2-small_dpt.py'

pretrained = 'facebook/dinov3-vits16-pretrain-lvd1689m'
model = dict(
    backbone=dict(
        config=dict(
            _delete_=True,
            model_type='dinov3_vit',
            hidden_size=384,
            intermediate_size=1536,
            num_attention_heads=6,
            num_hidden_layers=12,
            patch_size=16,
            num_register_tokens=4,
        ),
        init_cfg=dict(checkpoint=pretrained),
    )
)
