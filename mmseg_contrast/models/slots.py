"""Fillings of slots."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

from mmseg.registry import MODELS
from torch import nn

Filling = TypeVar('Filling', bound=nn.Module)


def build_slot(
    name: str, base: type[Filling], cfg: Mapping[str, Any] | None, known: Mapping[str, Any]
) -> Filling | None:
    """Build the filling of a slot, which takes from ``known`` what its config does not say.

    Method files do not know the data set: a filling whose signature has ``num_classes``, say, gets it
    from the model.

    Args:
        name (str): Name of the slot, for the error.
        base (type): What fits into the slot: subclasses of it.
        cfg (Mapping, optional): Config of the filling; none leaves the slot empty.
        known (Mapping[str, Any]): Arguments that a filling may ask for; None for what is not known.

    Raises:
        ValueError: If the type is not given, not registered or no subclass of ``base``.
    """
    if cfg is None:
        return None
    kind = cfg.get('type')
    if isinstance(kind, str):
        kind = MODELS.get(kind)
    if not (inspect.isclass(kind) and issubclass(kind, base)):
        given, remedy = cfg.get('type'), 'correct its name or import its module'
        what = f"='{given}' is not registered" if given else ' is missing'
        if kind is not None:
            what, remedy = f"='{given}' is no {base.__name__}", 'give one'
        raise ValueError(f'{name}.type{what}: {remedy}; there are {", ".join(fillings(base))}.')
    parameters = inspect.signature(kind).parameters
    given = {k: v for k, v in known.items() if k in parameters and v is not None}
    return MODELS.build({**given, **cfg})


def fillings(base: type[nn.Module]) -> list[str]:
    """Return the names under which what fits into a slot is registered.

    Args:
        base (type): Base class of the slot.
    """
    return sorted(
        k for k, v in MODELS.module_dict.items() if inspect.isclass(v) and issubclass(v, base)
    )
