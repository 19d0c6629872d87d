"""Test-time augmentation that keeps the scores."""

from __future__ import annotations

import torch
from mmengine.structures import PixelData
from mmseg.models import SegTTAModel
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample


@MODELS.register_module()
class ScoreTTAModel(SegTTAModel):
    """MMSeg's ``SegTTAModel``, whose predictions also say how sure they are.

    ``seg_logits`` of a merged prediction are such that their softmax (sigmoid for a single channel)
    is the mean of the views' scores.
    """

    def merge_preds(self, data_samples_list: list[list[SegDataSample]]) -> list[SegDataSample]:
        """Merge the predictions of the views of each image.

        Args:
            data_samples_list (list[list[SegDataSample]]): Predictions of the views by image.
        """
        means = []
        for views in data_samples_list:
            logits = torch.stack([view.seg_logits.data for view in views]).float()
            if logits.shape[1] > 1:
                means.append(logits.softmax(1).mean(0).log())
            else:
                # Not the logit of the mean, which is infinite where the mean rounds to 1.
                means.append(logits.sigmoid().mean(0).log() - (-logits).sigmoid().mean(0).log())
        merged = super().merge_preds(data_samples_list)
        for sample, logits in zip(merged, means):
            sample.set_data({'seg_logits': PixelData(data=logits)})
        return merged
