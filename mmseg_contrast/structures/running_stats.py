"""Means of statistics that stay on the device until somebody asks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmengine.dist import all_gather_object, all_reduce, get_world_size
from torch import Tensor


class Ratio(NamedTuple):
    """A statistic that means something only where there is something to count.

    Over several steps and processes it is the sum of the parts over the sum of the wholes.

    Attributes:
        part (Tensor): What is counted, such as the pixels that are kept.
        whole (Tensor): Of how much, of the same shape; where it is 0 the statistic is undefined.
    """

    part: Tensor
    whole: Tensor

    def value(self) -> Tensor:
        """Return part over whole, 0 where the statistic is undefined."""
        return self.part / torch.where(self.whole > 0, self.whole, 1)

    def __float__(self) -> float:
        """Return the value of a scalar."""
        return float(self.value())


class RunningStats:
    """Accumulates scalars and vectors of training steps on their device.

    ``add`` never waits for the device; ``pop`` does once, however many statistics there are.
    """

    def __init__(self) -> None:
        self._sums: dict[str, tuple[Tensor | float, Tensor | float]] = {}

    @torch.no_grad()
    def add(self, stats: dict[str, Tensor | Ratio | float]) -> None:
        """Add one step's statistics.

        Args:
            stats (dict): Floats, scalar tensors or 1-d tensors by name, or ratios of such tensors.
        """
        for name, value in stats.items():
            part, whole = value if isinstance(value, Ratio) else (value, 1)
            total, count = self._sums.get(name, (0, 0))
            self._sums[name] = total + _number(part), count + _number(whole)

    def pop(self) -> dict[str, float | list[float]]:
        """Return the mean of each statistic since the last call, over all processes, and start anew.

        Every process must call it, and may lack statistics that others have.

        Returns:
            dict: Floats, and lists for 1-d tensors. Ratios that were undefined all the time are left
            out, and NaN in a list.
        """
        sums, self._sums = self._sums, {}
        means: dict[str, float | list[float]] = {}
        rows: dict[str, Tensor] = {}
        for name, (part, whole) in sums.items():
            if isinstance(part, Tensor):
                whole = torch.as_tensor(whole, device=part.device).expand_as(part)
                rows[name] = torch.stack([part, whole]).float()
            else:
                means[name] = part / whole
        if get_world_size() > 1:
            rows = _rows_of_all(rows)
        if rows:
            flat = torch.cat(
                [row.flatten(1) if row.ndim > 1 else row[:, None] for row in rows.values()], 1
            )
            if get_world_size() > 1:
                all_reduce(flat)
            flat = (flat[0] / flat[1]).tolist()
        start = 0
        for name, row in rows.items():
            values = flat[start : start + row[0].numel()]
            start += len(values)
            if row.ndim > 1:
                means[name] = values
            elif not math.isnan(values[0]):
                means[name] = values[0]
        return {name: means[name] for name in {**sums, **rows} if name in means}


def _rows_of_all(rows: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add zeros for what only other processes have counted, in the same order in each of them."""
    shapes: dict[str, tuple[int, ...]] = {}
    for each in all_gather_object({name: tuple(row.shape) for name, row in rows.items()}):
        shapes = {**each, **shapes}
    device = next(iter(rows.values())).device if rows else 'cpu'
    return {
        name: rows[name] if name in rows else torch.zeros(shape, device=device)
        for name, shape in shapes.items()
    }


def name_by_class(name: str, classes: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    """Return the values of classes by the names under which they are logged.

    Some backends store ``a/b`` in a folder ``a``, so that no scalar may be the parent of another.

    Args:
        name (str): What the values are.
        classes (Sequence[str]): Names of the C classes; a slash in one becomes a dash.
        values (Sequence[float]): A value for each class; one without has NaN and is left out.
    """
    return {
        f'{name}/{label.replace("/", "-")}': value
        for label, value in zip(classes, values)
        if not math.isnan(value)
    }


def _number(x: Tensor | float) -> Tensor | float:
    # Counts stay integers, whose sums are exact.
    if not isinstance(x, Tensor):
        return x
    return x.detach().float() if x.is_floating_point() else x.detach().long()
