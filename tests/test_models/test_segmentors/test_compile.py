"""A compiled training step is the step; C3-SemiSeg's is compared in a whole training."""

import pytest
import torch
from distributed_step import bank_cfg, csc_cfg, model_and_batch, step


@pytest.mark.parametrize('cfg', [bank_cfg, csc_cfg])
def test_compiled_step_is_the_same(cfg):
    """TorchDynamo traces the whole step; what a backend makes of it is not ours."""
    plain = step(*model_and_batch(cfg()))
    model, *batch = model_and_batch(cfg())
    try:
        compiled = step(torch.compile(model, backend='eager'), *batch, model)
        assert torch._dynamo.utils.counters['frames']['ok'] > 0
    finally:
        torch.compiler.reset()
    assert float(plain['losses']['contrast.loss_contrast']) > 0 or cfg is bank_cfg
    for part in ('losses', 'grads'):
        for name, value in plain[part].items():
            torch.testing.assert_close(compiled[part][name], value, rtol=1e-4, atol=1e-6, msg=name)
