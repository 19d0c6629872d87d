"""Tiny nets of the architectures that `TransformersBackbone` is used with, for random weights."""

WIDTH = 16
_VIT = {'hidden_size': WIDTH, 'num_attention_heads': 2, 'num_hidden_layers': 4}
_PYRAMID = {'hidden_sizes': [8, 16, 24, 32], 'depths': [1, 1, 2, 1]}
TINY = {
    'dinov2': {'model_type': 'dinov2', **_VIT, 'image_size': 42, 'patch_size': 14},
    'dinov2_with_registers': {
        'model_type': 'dinov2_with_registers',
        **_VIT,
        'image_size': 42,
        'patch_size': 14,
    },
    'dinov3_vit': {
        'model_type': 'dinov3_vit',
        **_VIT,
        'intermediate_size': 32,
        'patch_size': 16,
        'num_register_tokens': 4,
    },
    'dinov3_convnext': {'model_type': 'dinov3_convnext', **_PYRAMID},
    'convnextv2': {'model_type': 'convnextv2', **_PYRAMID},
    'swinv2': {
        'model_type': 'swinv2',
        'embed_dim': 8,
        'depths': [1, 1, 2, 1],
        'num_heads': [1, 1, 2, 2],
        'window_size': 4,
        'image_size': 64,
    },
}
#: Multiples to which images are padded.
DIVISORS = {'dinov2': 14, 'dinov2_with_registers': 14, 'dinov3_vit': 16}


def tiny_backbone(name, **kwargs):
    """Config of a tiny backbone that returns all of its stages."""
    backbone = {'type': 'TransformersBackbone', 'config': TINY[name], 'out_indices': (1, 2, 3, 4)}
    return {**backbone, **kwargs}


def channels_of(name):
    """Channels of the four stages."""
    config = TINY[name]
    if 'embed_dim' in config:
        return [8, 16, 32, 64]
    return config.get('hidden_sizes', [WIDTH] * 4)


def linear_head(name, **kwargs):
    """Config of one 1x1 convolution on the last stage of a ViT, or on all stages of a pyramid."""
    widths = channels_of(name)
    vit = {'in_channels': widths[-1], 'channels': widths[-1], 'in_index': -1}
    pyramid = {
        'in_channels': widths,
        'channels': sum(widths),
        'in_index': [0, 1, 2, 3],
        'input_transform': 'resize_concat',
    }
    return {
        'type': 'FCNHead',
        **(vit if name in DIVISORS else pyramid),
        'num_convs': 0,
        'concat_input': False,
        'dropout_ratio': 0,
        'num_classes': 3,
        'align_corners': False,
        'loss_decode': {'type': 'PixelCrossEntropyLoss'},
        **kwargs,
    }


def dpt_head(**kwargs):
    """Config of a DPT head on the four stages of a tiny ViT."""
    return {
        'type': 'FeatureDPTHead',
        'in_channels': WIDTH,
        'channels': 8,
        'post_process_channels': [4, 4, 8, 8],
        'dropout_ratio': 0,
        'num_classes': 3,
        'align_corners': False,
        'norm_cfg': {'type': 'BN'},
        'loss_decode': {'type': 'PixelCrossEntropyLoss'},
        **kwargs,
    }
