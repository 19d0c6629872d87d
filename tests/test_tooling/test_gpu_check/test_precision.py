import pytest
import torch
from mmengine.config import Config

from mmseg_contrast.tooling.gpu_check.precision import in_precision, tf32


def test_the_halves_are_those_of_the_amp_wrapper():
    def wrapper(precision):
        cfg = Config({'optim_wrapper': {'type': 'OptimWrapper', 'optimizer': {'type': 'SGD'}}})
        return in_precision(cfg, precision).optim_wrapper

    for precision in ('bfloat16', 'float16'):
        found = wrapper(precision)
        assert (found.type, found.dtype) == ('AmpOptimWrapper', precision)
        assert found.optimizer.type == 'SGD'
    for precision in ('float32', 'tf32'):
        assert wrapper(precision) == {'type': 'OptimWrapper', 'optimizer': {'type': 'SGD'}}


def test_tf32_is_allowed_in_a_block_alone():
    backends = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in backends]
    for allowed in (True, False):
        with pytest.raises(ZeroDivisionError), tf32(allowed):
            assert [backend.allow_tf32 for backend in backends] == [allowed, allowed]
            _ = 1 / 0
        assert [backend.allow_tf32 for backend in backends] == before
