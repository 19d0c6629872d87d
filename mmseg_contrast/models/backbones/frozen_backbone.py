"""A backbone whose weights stay as they are."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from mmseg.registry import MODELS
from torch import nn


@MODELS.register_module()
class FrozenBackbone(nn.Module):
    """Any registered backbone without training: no gradient, no backward pass, always in eval mode.

    The object *is* the backbone, of a class derived from it, so that weights keep their names and
    ``init_cfg`` works as before. Norms use their running statistics, dropout and stochastic depth are
    off, and activations are not kept. The teacher of a :class:`SemiSupervisedSegmentor` uses the
    student's backbone instead of a copy.

    To freeze the backbone of a config, rename its ``type`` to ``of``::

        backbone = dict(type='FrozenBackbone', of='MobileNetV2', out_indices=(1, 6), ...)

    Args:
        of (str): ``type`` of the backbone, as the registry knows it.
        kwargs: Arguments of that backbone.

    Raises:
        ValueError: If no such backbone is registered.
    """

    def __new__(cls, of: str, **kwargs: Any) -> FrozenBackbone:
        """Return an object of the class that is derived from the backbone's."""
        return super().__new__(_frozen(of))

    def __init__(self, of: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.of = of
        self.requires_grad_(False)
        self.eval()

    def __reduce__(self) -> tuple:
        # The derived class has no name by which copies and pickles could find it.
        return FrozenBackbone.__new__, (FrozenBackbone, self.of), vars(self)

    def train(self, mode: bool = True) -> FrozenBackbone:
        """Stay in eval mode."""
        super().train(False)  # some of MMSeg's backbones return nothing
        return self

    @torch.no_grad()
    def forward(self, *args: Any) -> Any:
        """Return what the backbone does, without a graph.

        Args:
            args: Arguments of the backbone, such as images of shape (B, 3, H, W).
        """
        return super().forward(*args)


@cache
def _frozen(of: str) -> type[FrozenBackbone]:
    backbone = MODELS.get(of)
    if backbone is None:
        raise ValueError(
            f"FrozenBackbone(of='{of}'): no such backbone is registered; give the type of the backbone, "
            "such as of='MobileNetV2', and its package in custom_imports."
        )
    return type(f'Frozen{backbone.__name__}', (FrozenBackbone, backbone), {})
