"""The last transform of every pipeline: one sample, several branches."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

from mmcv.transforms import BaseTransform
from mmengine.dataset import Compose
from mmseg.registry import TRANSFORMS

from ...problem import SetupError


@TRANSFORMS.register_module()
class MultiBranch(BaseTransform):
    """Sends copies of one sample through one pipeline per branch.

    Whatever stands before this transform (loading, geometry) is shared by all branches, whatever
    stands in a branch pipeline is that branch's own. Branches that are named in ``branch_field``
    and have no pipeline here are ``None``, so that samples of a labelled and of an unlabelled
    data set have the same keys and collate into one batch::

        labelled    {'inputs': {'sup': Tensor, 'weak': None,   'strong': None},   ...}
        unlabelled  {'inputs': {'sup': None,   'weak': Tensor, 'strong': Tensor}, ...}

    Required Keys:

    - whatever the branch pipelines need

    Added Keys (the only ones in the result):

    - inputs (dict[str, Tensor | None])
    - data_samples (dict[str, SegDataSample | None])

    Args:
        branch_field (Sequence[str]): Names of all branches, the same in every data set.
        **branch_pipelines (list[dict | Callable]): Pipeline of each branch of this data set. Each
            must end with ``PackSegInputs``.

    Raises:
        ValueError: If no branch is given, a branch is not named in ``branch_field``, or a branch
            pipeline does not pack its sample.

    Examples:
        >>> field = ['sup', 'weak', 'strong']
        >>> labeled = dict(type='MultiBranch', branch_field=field, sup=[dict(type='PackSegInputs')])
    """

    def __init__(
        self, branch_field: Sequence[str], **branch_pipelines: list[dict | Callable]
    ) -> None:
        self.branch_field = list(branch_field)
        unknown = sorted(set(branch_pipelines) - set(self.branch_field))
        if unknown:
            raise ValueError(
                f'MultiBranch has pipelines for {unknown}, which branch_field {self.branch_field} '
                'does not name: add them there, in every data set, or rename the pipelines.'
            )
        if not branch_pipelines:
            raise ValueError(
                f'MultiBranch has no pipeline: give at least one of {self.branch_field}, e.g. '
                f"{self.branch_field[0]}=[dict(type='PackSegInputs')]."
            )
        self.branch_pipelines = {
            branch: Compose(pipeline) for branch, pipeline in branch_pipelines.items()
        }

    def transform(self, results: dict) -> dict | None:
        """Packs each branch from its own deep copy of the shared sample.

        Args:
            results (dict): The shared sample.

        Returns:
            dict | None: ``inputs`` and ``data_samples``, each a dict from branch to content;
            ``None`` when a branch pipeline rejects the sample (the data set draws another).
        """
        inputs: dict = dict.fromkeys(self.branch_field)
        data_samples: dict = dict.fromkeys(self.branch_field)
        for branch, pipeline in self.branch_pipelines.items():
            packed = pipeline(copy.deepcopy(results))
            if packed is None:
                return None
            if 'inputs' not in packed or 'data_samples' not in packed:
                raise SetupError(
                    f"The pipeline of branch '{branch}' gives {sorted(packed)} and not 'inputs' "
                    "and 'data_samples': end it with dict(type='PackSegInputs')."
                )
            inputs[branch] = packed['inputs']
            data_samples[branch] = packed['data_samples']
        return dict(inputs=inputs, data_samples=data_samples)

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(branch_field={self.branch_field}, '
            f'branches={list(self.branch_pipelines)})'
        )
