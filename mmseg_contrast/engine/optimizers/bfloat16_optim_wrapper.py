"""Mixed precision that also works on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from mmseg.registry import OPTIM_WRAPPERS
from torch import nn


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Runs the forward pass in bfloat16 autocast on any device; weights stay float32.

    MMEngine's ``AmpOptimWrapper`` refuses to run without a GPU. bfloat16 has the exponents of
    float32, so no loss scaling is needed. Processors with bfloat16 instructions (AVX512-BF16, AMX) gain
    speed, others lose some. Arguments are those of MMEngine's ``OptimWrapper``.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Enter autocast for one forward pass.

        Args:
            model (nn.Module): The model in training.
        """
        with super().optim_context(model), torch.autocast(get_device(), dtype=torch.bfloat16):
            yield
