"""Optimiser wrappers and their constructors."""

from .bfloat16_optim_wrapper import BFloat16OptimWrapper
from .layer_decay_constructor import LayerDecayConstructor

__all__ = ['BFloat16OptimWrapper', 'LayerDecayConstructor']
