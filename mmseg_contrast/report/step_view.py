"""The images of one training step as each net saw them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from ..models.mixing import Mixed
from ..structures.pixel_targets import IGNORE_INDEX
from ..visualization.grid import overlay
from .validation_counts import shrink, shrink_labels

#: Images of each kind that are shown.
NUM_IMAGES = 2
KINDS = {'sup': 'Labelled', 'source': 'Labelled, other domain'}


class StepView:
    """Listens to one training step, and makes pictures of it.

    Between :meth:`attach` and :meth:`detach` it keeps what the ``selector`` and the ``mixing`` of a
    :class:`SemiSupervisedSegmentor` get and give for the first images; of other models, and during the
    burn-in, there are the images of the batch alone.

    Args:
        model (nn.Module): The model, without wrappers.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._handles: list = []
        self._teacher: tuple[Tensor, Tensor] | None = None
        self._mixed: list[tuple[Tensor, int]] = []

    def attach(self) -> None:
        """Begin to listen."""
        self.detach()
        for name, listener in (('selector', self._on_select), ('mixing', self._on_mix)):
            part = getattr(self.model, name, None)
            if isinstance(part, nn.Module):
                self._handles.append(part.register_forward_hook(listener))

    def detach(self) -> None:
        """Leave the model as it was, and forget what was seen."""
        for handle in self._handles:
            handle.remove()
        self._handles, self._teacher, self._mixed = [], None, []

    def _on_select(self, module: nn.Module, inputs: tuple, output: tuple) -> None:
        # Copies of the first images: the whole batch may be large.
        _, top, valid = inputs
        labels = top.labels[:NUM_IMAGES].masked_fill(~valid[:NUM_IMAGES], IGNORE_INDEX)
        self._teacher = labels, output[0][:NUM_IMAGES].clone()

    def _on_mix(self, module: nn.Module, inputs: tuple, output: Mixed) -> None:
        if self._mixed:
            return
        known, images = len(output.labeled), output.images
        self._mixed = [
            (images[:NUM_IMAGES].detach().clone(), 0),
            (images[known : known + NUM_IMAGES].detach().clone(), 1),
        ]

    def rows(
        self, data_batch: dict[str, Any], palette: Sequence[Sequence[int]]
    ) -> list[tuple[str, list[tuple[str, np.ndarray]]]]:
        """Return the pictures of the step, and what they show.

        Args:
            data_batch (dict): The batch, as the loader gave it.
            palette (Sequence[Sequence[int]]): RGB colours of the classes.

        Returns:
            list[tuple[str, list[tuple[str, np.ndarray]]]]: For each image its title, and captions and RGB
            images.
        """
        colors = np.array(palette, np.uint8).reshape(-1, 3)
        inputs, samples = data_batch['inputs'], data_batch['data_samples']
        if not isinstance(inputs, dict):
            inputs, samples = {'sup': inputs}, {'sup': samples}
        branches = {
            name: [
                (self._to_rgb(image), sample)
                for image, sample in zip(images, samples[name])
                if image is not None
            ][:NUM_IMAGES]
            for name, images in inputs.items()
        }
        rows = []
        for name, kind in KINDS.items():
            for index, (image, sample) in enumerate(branches.get(name, [])):
                row = [('image', image)]
                row.append(('mask', _paint(image, _labels_of(sample), colors)))
                if name == 'sup':
                    row += self._mixed_picture(0, index)
                rows.append((f'{kind} image {index + 1}', row))
        unlabeled = {name: each for name, each in branches.items() if name not in KINDS and each}
        number = max((len(each) for each in unlabeled.values()), default=0)
        for index in range(number):
            row = []
            for name, images in unlabeled.items():
                image, sample = images[index]
                row.append((name, image))
                if name == self._teacher_view():
                    row += self._teacher_pictures(image, index, colors)
            rows.append((f'Unlabelled image {index + 1}', row + self._mixed_picture(1, index)))
        return rows

    def _teacher_view(self) -> str:
        return getattr(self.model, 'semi_train_cfg', {}).get('teacher_view', '')

    def _teacher_pictures(
        self, image: np.ndarray, index: int, colors: np.ndarray
    ) -> list[tuple[str, np.ndarray]]:
        if self._teacher is None or index >= len(self._teacher[0]):
            return []
        labels, weight = (each[index].cpu() for each in self._teacher)
        labels = labels[: image.shape[0], : image.shape[1]].numpy()
        kept = weight[: image.shape[0], : image.shape[1]].numpy() > 0
        return [
            ("teacher's labels", _paint(image, labels, colors)),
            ('kept labels', _paint(image, np.where(kept, labels, IGNORE_INDEX), colors)),
        ]

    def _mixed_picture(self, half: int, index: int) -> list[tuple[str, np.ndarray]]:
        if not self._mixed or index >= len(self._mixed[half][0]):
            return []
        return [('student saw', self._denormalise(self._mixed[half][0][index]))]

    def _denormalise(self, image: Tensor) -> np.ndarray:
        # What the preprocessor has made, back to RGB; the student's input is RGB or BGR as it is configured.
        preprocessor = self.model.data_preprocessor
        image = image.float().cpu()
        if getattr(preprocessor, '_enable_normalize', False):
            image = image * preprocessor.std.cpu() + preprocessor.mean.cpu()
        swapped = getattr(preprocessor, '_channel_conversion', False)
        return _to_uint8(image if swapped else image.flip(0))

    @staticmethod
    def _to_rgb(image: Tensor) -> np.ndarray:
        # MMCV loads BGR. Images that the pipeline has normalised are stretched.
        image = image.flip(0)
        if image.is_floating_point() and (image.min() < 0 or image.max() <= 1):
            low, high = image.min(), image.max()
            image = 255 * (image - low) / (high - low).clamp(min=1e-6)
        return _to_uint8(image.float())


def _to_uint8(image: Tensor) -> np.ndarray:
    return image.clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()


def _labels_of(sample: SegDataSample) -> np.ndarray | None:
    if 'gt_sem_seg' not in sample:
        return None
    return sample.gt_sem_seg.data.squeeze(0).cpu().numpy()


def _paint(image: np.ndarray, labels: np.ndarray | None, colors: np.ndarray) -> np.ndarray:
    if labels is None or labels.shape != image.shape[:2]:
        return image
    return paint(image, labels, colors)


def paint(image: np.ndarray, labels: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Lay classes over an image, both made small; what is no class becomes black.

    Args:
        image (np.ndarray): RGB image, uint8 (H, W, 3).
        labels (np.ndarray): Classes of shape (H, W).
        colors (np.ndarray): RGB colours of the classes, (C, 3).
    """
    labels = np.where((labels >= 0) & (labels < len(colors)), labels, IGNORE_INDEX)
    return overlay(shrink(image), shrink_labels(labels), colors)
