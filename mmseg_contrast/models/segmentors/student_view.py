"""A further view of the unlabelled images for the student."""

from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor, nn


class StudentView(nn.Module):
    """One more view on which the student learns the pseudo-labels, in a forward of its own.

    Two strong views and one perturbed feature of the weak view make FixMatch into UniMatch (Yang et
    al., CVPR 2023).

    Args:
        view (str): Branch of the batch that the student sees; once among the extra views.
        weight (float): Factor of its loss, beside that of ``unsup_loss`` itself.
        mix (bool): Whether the images go through the ``mixing`` slot, by a draw of their own.
        perturbation (dict, optional): Config of a module that maps the backbone's stages to stages.
    """

    def __init__(
        self, view: str, weight: float = 1.0, mix: bool = True, perturbation: dict | None = None
    ) -> None:
        super().__init__()
        self.view = view
        self.weight = weight
        self.mix = mix
        self.perturbation = None if perturbation is None else MODELS.build(perturbation)

    def images(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return the images of the view.

        Args:
            inputs (dict[str, Tensor]): Images of the branches of a batch.

        Raises:
            ValueError: If the batch has no such branch.
        """
        if self.view not in inputs:
            raise ValueError(
                f"extra_views names the branch '{self.view}', but the batch has {sorted(inputs)}: add "
                'it to branch_field and to the MultiBranch of the unlabelled images.'
            )
        return inputs[self.view]
