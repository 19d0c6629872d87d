"""Fillings of the segmentor's slots."""

from __future__ import annotations

import inspect
from typing import Any

from mmseg.registry import MODELS
from torch import nn


def build_slot(name: str, cfg: dict | None, known: dict[str, Any]) -> nn.Module | None:
    """Build the filling of a slot, which takes from ``known`` what its config does not say.

    Method files do not know the data set: a filling whose signature has ``num_classes``, say, gets it
    from the model.

    Args:
        name (str): Name of the slot, for the error.
        cfg (dict, optional): Config of the filling; none leaves the slot empty.
        known (dict[str, Any]): Arguments that a filling may ask for; None for what is not known.

    Raises:
        ValueError: If the type is not registered.
    """
    if cfg is None:
        return None
    kind = MODELS.get(cfg['type']) if isinstance(cfg['type'], str) else cfg['type']
    if kind is None:
        raise ValueError(
            f"{name}.type='{cfg['type']}' is not registered: correct its name or import its module."
        )
    parameters = inspect.signature(kind).parameters
    given = {k: v for k, v in known.items() if k in parameters and v is not None}
    return MODELS.build({**given, **cfg})
