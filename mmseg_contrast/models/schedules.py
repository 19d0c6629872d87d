"""Weights that grow during training."""

from __future__ import annotations

import math

from mmengine.logging import MessageHub


def current_iter() -> int:
    """Return the running Runner's iteration (0-based), or 0 where none runs."""
    return MessageHub.get_current_instance().get_info('iter', default=0) or 0


def training_progress() -> float:
    """Return the share of the running Runner's iterations that are done, or 0 where none runs."""
    total = max_iters()
    return min(current_iter() / total, 1.0) if total else 0.0


def in_iterations(length: float) -> int:
    """Return a length of the running Runner's training in iterations.

    Args:
        length (float): Iterations, or a share of the training in (0, 1), which is rounded; a share of
            0 iterations where none runs.
    """
    return round(length * max_iters()) if 0 < length < 1 else int(length)


def check_length(length: float, name: str) -> None:
    """Refuse what is neither a number of iterations nor a share of the training.

    Args:
        length (float): The value.
        name (str): What to call it in the error.

    Raises:
        ValueError: If it is negative, above 1 and no whole number, or 1.0, which may mean either.
    """
    whole = length == int(length) and not (isinstance(length, float) and length == 1)
    if length < 0 or (length >= 1 and not whole):
        raise ValueError(
            f'{name}={length} is neither a whole number of iterations nor a share of the training in '
            '(0, 1): give one of them, or 0.'
        )


def log_progress() -> float:
    r"""Return :math:`\log(1 + i) / \log(1 + n)` of the running Runner's iteration i of n, or 0."""
    total = max_iters()
    return min(math.log1p(current_iter()) / math.log1p(total), 1.0) if total else 0.0


def max_iters() -> int:
    """Return the number of iterations of the running Runner's training, or 0 where none runs."""
    return MessageHub.get_current_instance().get_info('max_iters', default=0) or 0


class Ramp:
    r"""Gaussian ramp-up from ``exp(-5)`` to 1.

    .. math:: r(i) = \exp(-5 (1 - t)^2), \quad t = clip((i - start) / length, 0, 1)

    and 0 before ``start``. Source: C3-SemiSeg (Zhou et al., ICCV 2021), section 4.1; the paper
    leaves origin and clipping open, both follow the published code.

    Args:
        start (float | str): First iteration with a weight above 0; ``'burn_in'`` for the end of the
            burn-in of the :class:`SemiSupervisedSegmentor` that the ramp is in, 0 elsewhere.
        length (float): Iterations until the weight is 1; 0 means a step at ``start``. Either may be
            a share of the training in (0, 1), which follows ``max_iters``.

    Raises:
        ValueError: If ``start`` or ``length`` is none of these.
    """

    def __init__(self, start: float | str = 0, length: float = 0) -> None:
        self.after_burn_in = start == 'burn_in'
        self.start = 0 if self.after_burn_in else start
        check_length(self.start, 'ramp.start')
        check_length(length, 'ramp.length')
        self.length = length

    def follow_burn_in(self, burn_in: float) -> None:
        """Start at the end of the burn-in, if the ramp is to.

        Args:
            burn_in (float): Length of the burn-in, as ``start`` is given.
        """
        if self.after_burn_in:
            self.start = burn_in

    def __call__(self, iteration: int) -> float:
        """Return the weight in [0, 1] at an iteration.

        Args:
            iteration (int): 0-based training iteration.
        """
        start, length = in_iterations(self.start), in_iterations(self.length)
        if iteration < start:
            return 0.0
        t = 1.0 if length == 0 else min((iteration - start) / length, 1.0)
        return math.exp(-5.0 * (1.0 - t) ** 2)
