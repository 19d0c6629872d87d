"""Random numbers that are the same on every device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

# Operators by name: those that make a tensor, those that make one like another, and those that fill one.
MADE = {'rand', 'randn', 'randint', 'randperm'}
LIKE = {'rand_like', 'randn_like', 'randint_like'}
FILLED = {'uniform_', 'normal_', 'exponential_', 'random_', 'bernoulli_'}


class HostRandom(TorchDispatchMode):
    """Draws all random numbers on the CPU, and moves them, while it is entered.

    With the same seed a step then sees the same numbers on a card as on the CPU, whose own generators
    differ.
    """

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Draw, or do what is asked for."""
        kwargs = dict(kwargs or {})
        name = func._schema.name.removeprefix('aten::')
        if name in MADE:
            device = kwargs.pop('device', None)
            return func(*args, **kwargs, device='cpu').to(device or torch.get_default_device())
        if name in LIKE:
            kwargs.pop('device', None)
            kwargs.pop('memory_format', None)
            return func(_empty(args[0]), *args[1:], **kwargs).to(args[0].device)
        if name in FILLED:
            return args[0].copy_(func(_empty(args[0]), *_on_cpu(args[1:]), **kwargs))
        if name in ('bernoulli', 'multinomial'):
            return func(args[0].cpu(), *args[1:], **kwargs).to(args[0].device)
        if name == 'native_dropout':
            return _dropout(*args, **kwargs)
        return func(*args, **kwargs)


def _empty(x: Tensor) -> Tensor:
    return torch.empty(x.shape, dtype=x.dtype)


def _on_cpu(args: tuple) -> tuple:
    return tuple(each.cpu() if isinstance(each, Tensor) else each for each in args)


def _dropout(x: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    # What a CPU makes of three operators, a card makes of this one.
    if train is False or p == 0:
        return x.clone(), torch.ones_like(x, dtype=torch.bool)
    kept = _empty(x).bernoulli_(1 - p).to(x.device)
    return x * kept / (1 - p), kept.bool()
