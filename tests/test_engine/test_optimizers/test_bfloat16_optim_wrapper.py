from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mmseg_contrast.engine.optimizers import BFloat16OptimWrapper

MODULE = 'mmseg_contrast.engine.optimizers.bfloat16_optim_wrapper'


@pytest.fixture
def processor(monkeypatch):
    """Sets what torch says of the processor; gives the list of what has been logged."""
    logged = []

    def says(supported: bool, onednn: bool = True) -> list[str]:
        ops = SimpleNamespace(_is_mkldnn_bf16_supported=lambda: supported)
        monkeypatch.setattr(torch.ops, 'mkldnn', ops if onednn else SimpleNamespace())
        monkeypatch.setattr(torch.backends.mkldnn, 'is_available', lambda: onednn)
        return logged

    monkeypatch.setattr(f'{MODULE}.get_device', lambda: 'cpu')
    monkeypatch.setattr(f'{MODULE}.print_log', lambda text, **_: logged.append(text))
    return says


def test_forward_is_bfloat16_and_weights_are_float32(processor):
    logged = processor(True)
    torch.manual_seed(0)
    model = nn.Linear(8, 4, bias=False)
    before = model.weight.detach().clone()
    wrapper = BFloat16OptimWrapper(optimizer=torch.optim.SGD(model.parameters(), lr=1.0))
    x = torch.randn(16, 8)
    with wrapper.optim_context(model):
        out = model(x)
    assert out.dtype == torch.bfloat16
    assert not logged
    wrapper.update_params(out.float().sum())
    assert model.weight.dtype == torch.float32
    # The gradient of the sum is the sum of the inputs, within bfloat16's 8 bits.
    expected = before - x.sum(0).expand(4, -1)
    torch.testing.assert_close(model.weight.detach(), expected, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize('onednn', [True, False])
def test_a_processor_without_bfloat16_stays_in_float32(processor, onednn):
    logged = processor(False, onednn)
    torch.manual_seed(0)
    model = nn.Linear(8, 4, bias=False)
    wrapper = BFloat16OptimWrapper(optimizer=torch.optim.SGD(model.parameters(), lr=1.0))
    x = torch.randn(16, 8)
    with wrapper.optim_context(model):
        out = model(x)
    assert torch.equal(out, model(x))
    assert out.dtype == torch.float32
    assert ['stays in float32' in text for text in logged] == [True]
