"""A compiled training step is the step; C3-SemiSeg's is compared in a whole training."""

import pytest
import torch
from distributed_step import bank_cfg, csc_cfg, model_and_batch, step
from helpers import head_cfg


def tapped_cfg():
    """The contrast takes the decode head's feature, before its dropout."""
    return {**csc_cfg(in_index='decode'), 'decode_head': head_cfg(dropout_ratio=0.5)}


@pytest.mark.parametrize('cfg', [bank_cfg, csc_cfg, tapped_cfg])
def test_compiled_step_is_the_same(cfg):
    """TorchDynamo traces the whole step; what a backend makes of it is not ours."""

    def whole():
        model, *batch = model_and_batch(cfg())
        model.decode_head.train()
        torch.manual_seed(3)
        return model, *batch

    plain = step(*whole())
    model, *batch = whole()
    try:
        compiled = step(torch.compile(model, backend='eager'), *batch, model)
        assert torch._dynamo.utils.counters['frames']['ok'] > 0
    finally:
        torch.compiler.reset()
    assert float(plain['losses']['contrast.loss_contrast']) > 0 or cfg is bank_cfg
    for part in ('losses', 'grads'):
        for name, value in plain[part].items():
            torch.testing.assert_close(compiled[part][name], value, rtol=1e-4, atol=1e-6, msg=name)
