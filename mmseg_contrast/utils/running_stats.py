"""Means of statistics that stay on the device until somebody asks."""

from __future__ import annotations

import torch
from torch import Tensor


class RunningStats:
    """Accumulates scalars and vectors of training steps on their device.

    ``add`` never waits for the device; ``pop`` does once, however many statistics there are.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor | float] = {}
        self._counts: dict[str, int] = {}

    @torch.no_grad()
    def add(self, stats: dict[str, Tensor | float]) -> None:
        """Add one step's statistics.

        Args:
            stats (dict): Floats, scalar tensors or 1-d tensors by name.
        """
        for name, value in stats.items():
            if isinstance(value, Tensor):
                value = value.detach().float()
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def pop(self) -> dict[str, float | list[float]]:
        """Return the mean of each statistic since the last call, and start anew."""
        tensors = {k: v for k, v in self._sums.items() if isinstance(v, Tensor)}
        host = torch.cat([v.flatten() for v in tensors.values()]).tolist() if tensors else []
        means: dict[str, float | list[float]] = {}
        start = 0
        for name, total in self._sums.items():
            count = self._counts[name]
            if not isinstance(total, Tensor):
                means[name] = total / count
                continue
            values = [v / count for v in host[start : start + total.numel()]]
            start += total.numel()
            means[name] = values if total.ndim else values[0]
        self._sums, self._counts = {}, {}
        return means
