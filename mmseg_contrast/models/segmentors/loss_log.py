"""The losses and statistics of one training step, by name."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ...structures.running_stats import Ratio, RunningStats


class LossLog:
    """Collects losses and statistics under prefixes.

    Args:
        stats (RunningStats): Takes the statistics.
    """

    def __init__(self, stats: RunningStats) -> None:
        self.losses: dict[str, Tensor] = {}
        self._stats = stats

    def add(
        self,
        prefix: str,
        losses: Mapping[str, Tensor] | None = None,
        stats: Mapping[str, Tensor | Ratio | float] | None = None,
        weight: float = 1.0,
    ) -> None:
        """Add the losses and statistics of one part of the step.

        Args:
            prefix (str): Comes before each name, with a dot.
            losses (Mapping[str, Tensor], optional): Terms of the total loss.
            stats (Mapping, optional): What to log, see :class:`RunningStats`.
            weight (float): Factor of the losses.
        """
        for name, value in (losses or {}).items():
            self.losses[f'{prefix}.{name}'] = value if weight == 1 else weight * value
        self._stats.add({f'{prefix}.{name}': value for name, value in (stats or {}).items()})
