"""What the device of a tensor allows: reads by the host, and arithmetic without autocast."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

#: Device types whose memory the host just reads. It has to wait for a GPU; ``meta`` has no values.
FREE_DEVICES = frozenset({'cpu'})


def reading_is_free(device: torch.device) -> bool:
    """Return whether shapes may depend on values, so that padding need not be worked on.

    In a compiled graph they may not: it would be compiled anew for every shape.

    Args:
        device (torch.device): Where the values are.
    """
    return device.type in FREE_DEVICES and not torch.compiler.is_compiling()


def without_autocast(x: Tensor) -> AbstractContextManager:
    """Return a context in which operations on the device of ``x`` keep the dtypes they are given.

    Args:
        x (Tensor): A tensor on any device, ``meta`` included, which has no autocast to switch off.
    """
    if x.device.type == 'meta':
        return nullcontext()
    return torch.autocast(device_type=x.device.type, enabled=False)
