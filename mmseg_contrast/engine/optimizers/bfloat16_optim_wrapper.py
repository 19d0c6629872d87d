"""Mixed precision that also works on a CPU."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmseg.registry import OPTIM_WRAPPERS
from torch import nn


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Runs the forward pass in bfloat16 autocast where the device can; weights stay float32.

    MMEngine's ``AmpOptimWrapper`` refuses to run without a GPU. bfloat16 has the exponents of
    float32, so no loss scaling is needed. Processors with bfloat16 instructions (AVX512-BF16, AMX) gain
    speed. Those without AVX512 only imitate it (a step of STDC1 takes eight times as long as in float32), so
    there training stays in float32 and the log says so. Arguments are those of MMEngine's ``OptimWrapper``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.device = get_device()
        self.enabled = self.device != 'cpu' or _processor_has_bfloat16()
        if not self.enabled:
            print_log(
                'this processor has no fast bfloat16: training stays in float32',
                logger='current',
                level=logging.WARNING,
            )

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Enter autocast for one forward pass.

        Args:
            model (nn.Module): The model in training.
        """
        autocast = torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.enabled)
        with super().optim_context(model), autocast:
            yield


def _processor_has_bfloat16() -> bool:
    # What torch asks before it gives bfloat16 to oneDNN; builds without oneDNN do not have the question.
    mkldnn = torch.backends.mkldnn.is_available()
    return mkldnn and torch.ops.mkldnn._is_mkldnn_bf16_supported()
