"""Writes predictions in the form that the servers of the benchmarks take."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmseg.datasets import CityscapesDataset
from mmseg.registry import METRICS
from PIL import Image

from ..files import write_file

#: Id that the server of Cityscapes has for each of the 19 classes. Source: cityscapesScripts, ``labels.py``.
CITYSCAPES_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


@METRICS.register_module()
class SubmissionWriter(BaseMetric):
    """Writes each prediction as a PNG of the size of its image, in place of an evaluation.

    Classes of Cityscapes become the ids of its server, in a grey image. All others keep their ids, in
    an image with the palette of the data set, which is what the server of PASCAL VOC takes.

    Args:
        folder (str): Where to write. A file has the name of its image.
        kwargs: Arguments of MMEngine's ``BaseMetric``.
    """

    def __init__(self, folder: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.folder = Path(folder)

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Write the predictions of a batch.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[Mapping[str, Any]]): With ``pred_sem_seg`` of shape (1, H, W) and
                ``img_path``.
        """
        for sample in data_samples:
            ids = sample['pred_sem_seg']['data'][0].cpu().numpy().astype(np.uint8)
            if tuple(self.dataset_meta['classes']) == CityscapesDataset.METAINFO['classes']:
                image = Image.fromarray(np.array(CITYSCAPES_IDS, np.uint8)[ids])
            else:
                image = Image.fromarray(ids, mode='P')
                image.putpalette(np.array(self.dataset_meta['palette'], np.uint8).tobytes())
            content = io.BytesIO()
            image.save(content, 'PNG')
            write_file(self.folder / f'{Path(sample["img_path"]).stem}.png', content.getvalue())
            self.results.append(None)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Return the number of predictions.

        Args:
            results (list): An element for each.
        """
        return {'predictions': len(results)}
