"""The model itself, whatever runs it."""

from __future__ import annotations

from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import nn


def unwrap(model: nn.Module) -> nn.Module:
    """Return a runner's model without its wrappers for distributed training and test-time augmentation.

    Args:
        model (nn.Module): A model, wrapped or not.
    """
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model
