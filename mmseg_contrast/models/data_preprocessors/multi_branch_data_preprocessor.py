"""Normalises and stacks a batch whose samples have several branches."""

from __future__ import annotations

from typing import Any

from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from ...structures.pixel_targets import IGNORE_INDEX


@MODELS.register_module()
class MultiBranchDataPreprocessor(SegDataPreProcessor):
    """MMSeg's preprocessor, applied to each branch of a batch.

    Takes what :class:`MultiBranch` and MMEngine's ``pseudo_collate`` make of a batch, for each
    branch a list with None in the places of other sources' samples, and returns for each branch
    that occurs one stacked tensor (B, C, H, W) and its B data samples. The padding of labels and
    valid maps is 255, which never counts, whatever ``seg_pad_val`` is. A batch without branches
    (testing, MMSeg's own tools) is treated as MMSeg does. All arguments are those of
    ``SegDataPreProcessor``.
    """

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Move a batch to the device, normalise and stack it.

        Args:
            data (dict): ``inputs`` and ``data_samples`` of a batch.
            training (bool): Whether to pad for training.

        Returns:
            dict: ``inputs`` and ``data_samples``, each a dict of branches where the batch has them.
        """
        if not isinstance(data['inputs'], dict):
            return super().forward(data, training)
        branches: dict[str, dict] = {'inputs': {}, 'data_samples': {}}
        for name, inputs in data['inputs'].items():
            present = [i for i, image in enumerate(inputs) if image is not None]
            if not present:
                continue
            batch = super().forward(
                {
                    'inputs': [inputs[i] for i in present],
                    'data_samples': [data['data_samples'][name][i] for i in present],
                },
                training,
            )
            branches['inputs'][name] = batch['inputs']
            branches['data_samples'][name] = batch['data_samples']
            for sample in batch['data_samples']:
                if 'gt_sem_seg' in sample:
                    _ignore_padding(sample)
        return branches


def _ignore_padding(sample: SegDataSample) -> None:
    # `seg_pad_val` may be a class that the heads ignore; in a valid map 0 means a real pixel.
    height, width = sample.img_shape
    for rows, cols in ((slice(height, None), slice(None)), (slice(None), slice(width, None))):
        sample.gt_sem_seg.data[..., rows, cols] = IGNORE_INDEX
