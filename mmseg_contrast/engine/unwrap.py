"""The model itself, whatever runs it."""

from __future__ import annotations

from mmengine.model import is_model_wrapper
from torch import nn


def unwrap(model: nn.Module) -> nn.Module:
    """Return a runner's model without the wrapper of distributed training.

    Args:
        model (nn.Module): A model, wrapped or not.
    """
    return model.module if is_model_wrapper(model) else model
