"""Exponential moving average of one module in another, paired by name."""

from __future__ import annotations

import torch
from torch import nn


class NamedEMA:
    r"""Keeps a teacher's state as an exponential moving average of a student's.

    .. math:: \theta_T \leftarrow (1 - m) \theta_T + m \theta_S

    Tensors are paired by *name*, so a module that only the student has cannot shift the pairing.
    Parameters and floating-point buffers (batch-norm statistics) are averaged; integer buffers
    (``num_batches_tracked``) are copied. Source: Mean teachers (Tarvainen and Valpola, 2017), Eq. 3,
    in MMEngine's convention of the momentum (the papers' ``alpha`` is ``1 - m``).

    Args:
        teacher (nn.Module): The module that is updated.
        student (nn.Module): The module that is followed; has at least the teacher's names.

    Raises:
        ValueError: If the teacher has a parameter or buffer that the student lacks, or whose shape
            differs.
    """

    def __init__(self, teacher: nn.Module, student: nn.Module) -> None:
        source = {**dict(student.named_parameters()), **dict(student.named_buffers())}
        self.averaged: tuple[list, list] = ([], [])
        self.copied: tuple[list, list] = ([], [])
        for name, target in [*teacher.named_parameters(), *teacher.named_buffers()]:
            if name not in source or source[name].shape != target.shape:
                found = 'none' if name not in source else f'shape {tuple(source[name].shape)}'
                raise ValueError(
                    f"The teacher's '{name}' of shape {tuple(target.shape)} has no counterpart in "
                    f'the student (found {found}): build both from the same config.'
                )
            pair = self.averaged if target.is_floating_point() else self.copied
            pair[0].append(target.detach())
            pair[1].append(source[name].detach())

    @torch.no_grad()
    def copy(self) -> None:
        """Set the teacher's state to the student's."""
        self.update(1.0)

    @torch.no_grad()
    def update(self, momentum: float) -> None:
        """Move the teacher's state towards the student's.

        Args:
            momentum (float): Share of the student in the new state, in [0, 1].
        """
        if momentum == 1.0:
            torch._foreach_copy_(*self.averaged)
        else:
            torch._foreach_lerp_(*self.averaged, momentum)
        if self.copied[0]:
            torch._foreach_copy_(*self.copied)
