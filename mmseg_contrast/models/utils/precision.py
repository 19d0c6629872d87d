"""Arithmetic that autocast must leave alone."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def without_autocast(x: Tensor) -> AbstractContextManager:
    """Return a context in which operations on the device of ``x`` keep the dtypes they are given.

    Args:
        x (Tensor): A tensor on any device, ``meta`` included, which has no autocast to switch off.
    """
    if x.device.type == 'meta':
        return nullcontext()
    return torch.autocast(device_type=x.device.type, enabled=False)
