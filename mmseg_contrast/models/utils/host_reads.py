"""Where the host may read a value without waiting for it."""

from __future__ import annotations

import torch

#: Device types whose memory the host just reads. It has to wait for a GPU; ``meta`` has no values.
FREE_DEVICES = frozenset({'cpu'})


def reading_is_free(device: torch.device) -> bool:
    """Return whether shapes may depend on values, so that padding need not be worked on.

    In a compiled graph they may not: it would be compiled anew for every shape.

    Args:
        device (torch.device): Where the values are.
    """
    return device.type in FREE_DEVICES and not torch.compiler.is_compiling()
