import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS


@pytest.mark.parametrize('size', [1, 3])
def test_classifies_the_aspp_beside_the_first_stage(size):
    head = MODELS.build(
        {
            'type': 'DeepLabV3PlusHead',
            'in_channels': 6,
            'in_index': 1,
            'channels': 5,
            'num_classes': 3,
            'dilations': (1, 2),
            'c1_in_channels': 4,
            'c1_channels': 2,
            'bottleneck_size': size,
            'norm_cfg': {'type': 'BN'},
            'loss_decode': {'type': 'PixelCrossEntropyLoss'},
        }
    ).eval()
    low, high = torch.randn(2, 4, 8, 6), torch.randn(2, 6, 4, 3)
    assert head.bottleneck.conv.kernel_size == (size, size)
    with torch.no_grad():
        pooled = F.interpolate(head.image_pool(high), size=(4, 3), mode='bilinear')
        branches = torch.cat([pooled, *(branch(high) for branch in head.aspp_modules)], 1)
        up = F.interpolate(head.bottleneck(branches), size=(8, 6), mode='bilinear')
        joined = torch.cat([head.c1_bottleneck(low), up], 1)
        expected = head.conv_seg(head.classifier(joined))
        torch.testing.assert_close(head([low, high]), expected)
    assert joined.shape[1] == 2 + 5 and expected.shape == (2, 3, 8, 6)
