"""The precisions of a training step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config

#: ``float32`` rounds as a CPU does; ``tf32`` is float32 whose products have 10 bits.
PRECISIONS = ('tf32', 'bfloat16', 'float16')


def in_precision(cfg: Config, precision: str) -> Config:
    """Set the precision of a config's training: autocast for the halves, as by ``AmpOptimWrapper``.

    Args:
        cfg (Config): The config; it is changed.
        precision (str): ``'float32'`` or one of :data:`PRECISIONS`.
    """
    if precision in ('bfloat16', 'float16'):
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.dtype = precision
    return cfg


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Allow float32 products and convolutions of 10 bits in a block, or forbid them.

    Args:
        allowed (bool): Whether they are allowed.
    """
    backends = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = allowed
        yield
    finally:
        for backend, value in zip(backends, before):
            backend.allow_tf32 = value
