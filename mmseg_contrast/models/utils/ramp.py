"""Weights that grow during training."""

from __future__ import annotations

import math

from mmengine.logging import MessageHub


def current_iter() -> int:
    """Return the running Runner's iteration (0-based), or 0 where none runs."""
    return MessageHub.get_current_instance().get_info('iter', default=0) or 0


def training_progress() -> float:
    """Return the share of the running Runner's iterations that are done, or 0 where none runs."""
    total = _max_iters()
    return min(current_iter() / total, 1.0) if total else 0.0


def log_progress() -> float:
    r"""Return :math:`\log(1 + i) / \log(1 + n)` of the running Runner's iteration i of n, or 0."""
    total = _max_iters()
    return min(math.log1p(current_iter()) / math.log1p(total), 1.0) if total else 0.0


def _max_iters() -> int:
    return MessageHub.get_current_instance().get_info('max_iters', default=0) or 0


class Ramp:
    r"""Gaussian ramp-up from ``exp(-5)`` to 1.

    .. math:: r(i) = \exp(-5 (1 - t)^2), \quad t = clip((i - start) / length, 0, 1)

    and 0 before ``start``. Source: C3-SemiSeg (Zhou et al., ICCV 2021), section 4.1; the paper
    leaves origin and clipping open, both follow the published code.

    Args:
        start (int): First iteration with a weight above 0.
        length (int): Iterations until the weight is 1; 0 means a step at ``start``.

    Raises:
        ValueError: If ``start`` or ``length`` is negative.
    """

    def __init__(self, start: int = 0, length: int = 0) -> None:
        if start < 0 or length < 0:
            raise ValueError(
                f'Ramp(start={start}, length={length}) counts iterations: give numbers >= 0.'
            )
        self.start = start
        self.length = length

    def __call__(self, iteration: int) -> float:
        """Return the weight in [0, 1] at an iteration.

        Args:
            iteration (int): 0-based training iteration.
        """
        if iteration < self.start:
            return 0.0
        t = 1.0 if self.length == 0 else min((iteration - self.start) / self.length, 1.0)
        return math.exp(-5.0 * (1.0 - t) ** 2)
