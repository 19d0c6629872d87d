import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS


def test_convolutions_with_relu_in_between():
    projector = MODELS.build({'type': 'ConvProjector', 'in_channels': 3, 'out_channels': 4})
    first, _, second = projector.layers
    x = torch.randn(2, 3, 5, 5)
    torch.testing.assert_close(projector(x), second(F.relu(first(x))))
    assert second.weight.std() < 0.02
    own = MODELS.build(
        {'type': 'ConvProjector', 'in_channels': 3, 'out_channels': 64, 'init_std': None}
    )
    assert own.layers[0].weight.std() > 0.1


def test_linear_layers_with_batch_norm_in_between():
    projector = MODELS.build({'type': 'MLPProjector', 'in_channels': 3, 'out_channels': 4})
    first, norm, _, last = projector.layers
    x = torch.randn(2, 3, 5, 5)
    rows = x.permute(0, 2, 3, 1).reshape(-1, 3)
    hidden = rows @ first.weight[..., 0, 0].T + first.bias
    hidden = (hidden - hidden.mean(0)) / (hidden.var(0, unbiased=False) + norm.eps).sqrt()
    expected = F.relu(hidden) @ last.weight[..., 0, 0].T + last.bias
    torch.testing.assert_close(projector(x).permute(0, 2, 3, 1).reshape(-1, 4), expected)


@pytest.mark.parametrize('num_convs', [1, 2])
def test_convolutions_with_norm_and_one_without(num_convs):
    cfg = {'type': 'ConvNormProjector', 'in_channels': 3, 'out_channels': 4, 'num_convs': num_convs}
    projector = MODELS.build(cfg)
    assert len(projector) == num_convs + 1
    x = torch.randn(2, 3, 5, 5)
    out = projector(x)
    for block in list(projector)[:-1]:
        y = F.conv2d(x, block.conv.weight, padding=1)
        mean, var = y.mean((0, 2, 3), True), y.var((0, 2, 3), unbiased=False, keepdim=True)
        x = F.relu((y - mean) / (var + block.bn.eps).sqrt())
    torch.testing.assert_close(out, F.conv2d(x, projector[-1].weight, projector[-1].bias))
