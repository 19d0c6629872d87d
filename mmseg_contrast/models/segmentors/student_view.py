"""The views of the unlabelled images on which the student learns the pseudo-labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..perturbations import ViewPerturbation
from ..slots import build_slot


@dataclass(frozen=True)
class StudentView:
    """One view of the unlabelled images.

    Attributes:
        branch (str): Branch of the batch that the student sees.
        weight (float): Factor of the view's losses, beside those of ``unsup_loss`` itself.
        mix (bool): Whether the images go through the ``mixing`` slot, with a random draw of their own.
        perturbation (Mapping, optional): Config of a :class:`ViewPerturbation`. Views with equal configs
            share one module, which gets the features of all of them at once.
    """

    branch: str = 'strong'
    weight: float = 1.0
    mix: bool = True
    perturbation: Mapping[str, Any] | None = None

    def images(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the images of the view.

        Args:
            inputs (Mapping[str, Tensor]): Images of the branches of a batch.

        Raises:
            ValueError: If the batch has no such branch.
        """
        if self.branch not in inputs:
            raise ValueError(
                f"views names the branch '{self.branch}', but the batch has {sorted(inputs)}: add it to "
                'branch_field and to the MultiBranch of the unlabelled images.'
            )
        return inputs[self.branch]


class Perturbations(nn.Module):
    """Applies the perturbations of views to the features of the student's batch.

    Args:
        views (Sequence[StudentView]): The views, in the order in which they stand in the batch.

    Raises:
        ValueError: If a perturbation is given to a number of views that it cannot pair.
    """

    def __init__(self, views: Sequence[StudentView]) -> None:
        super().__init__()
        configs: list[Mapping[str, Any]] = []
        #: The indices of the views of each perturbation.
        self.members: list[list[int]] = []
        for index, cfg in enumerate(view.perturbation for view in views):
            if cfg is None:
                continue
            if cfg not in configs:
                configs.append(cfg)
                self.members.append([])
            self.members[configs.index(cfg)].append(index)
        self.parts = nn.ModuleList(
            build_slot('views.perturbation', ViewPerturbation, cfg, {}) for cfg in configs
        )
        for part, members in zip(self.parts, self.members):
            if part.num_views not in (None, len(members)):
                branches = [views[index].branch for index in members]
                raise ValueError(
                    f'{type(part).__name__} perturbs {part.num_views} views together, but '
                    f'{len(members)} of views has it ({", ".join(branches)}): give the same '
                    f'perturbation to {part.num_views} views.'
                )

    def forward(self, stages: Sequence[Tensor], sizes: Sequence[int]) -> Sequence[Tensor]:
        """Perturb the features of a batch.

        Args:
            stages (Sequence[Tensor]): Feature maps of the backbone, each (B, D_i, h_i, w_i).
            sizes (Sequence[int]): Number of images of each view; they are the last ones of the batch.
        """
        if not self.members or not sum(sizes):
            return stages
        rest = len(stages[0]) - sum(sizes)
        split = [stage.split([rest, *sizes]) for stage in stages]
        labeled, *views = zip(*split)
        for part, members in zip(self.parts, self.members):
            for index, perturbed in zip(members, part([views[index] for index in members])):
                views[index] = perturbed
        return [torch.cat(parts) for parts in zip(labeled, *views)]
