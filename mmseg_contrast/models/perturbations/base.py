"""What every perturbation of features does."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn


class ViewPerturbation(nn.Module):
    """Perturbs the backbone's features of views before the decode head sees them.

    It gets the features of all views that have it in their config, and gives as many; so views can be
    paired. Labelled images and the teacher are never perturbed.
    """

    #: How many views it takes at once; None for any number.
    num_views: int | None = None

    @abstractmethod
    def forward(self, views: Sequence[Sequence[Tensor]]) -> list[list[Tensor]]:
        """Perturb the features.

        Args:
            views (Sequence[Sequence[Tensor]]): For each view the feature maps of the backbone's stages,
                each (B, D_i, h_i, w_i); image b of one view is another view of image b of the others.
        """
