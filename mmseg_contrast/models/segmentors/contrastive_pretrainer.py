"""Any MMSeg ``EncoderDecoder`` without its classifier, trained by pixel contrast on labels."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models import EncoderDecoder
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import add_prefix
from torch import Tensor, nn

from ...arguments import in_range
from ...problem import SetupError
from ...structures import PixelTargets
from ...structures.pixel_targets import nearest
from ...structures.running_stats import RunningStats
from ..decode_heads.decode_features import DECODE, record_input, take_inputs
from ..device import without_autocast
from .decode_head_check import check_decode_head


@MODELS.register_module()
class ContrastivePretrainer(EncoderDecoder):
    r"""Contrastive pretraining of everything before the classifier of an ``EncoderDecoder``.

    Replaces ``EncoderDecoder`` in any config whose decode head classifies with ``conv_seg``. Its
    checkpoint has the keys of the plain model except those of the classifier and
    of the auxiliary heads, so that a plain config fine-tunes it with ``load_from`` alone. One step:

    1. features of the images I (branch ``sup``) and, in the same forward, of those images of the branch
       ``distorted`` that are drawn (probability ``distortion_prob``); for the others I' is I and its
       features are computed once;
    2. projection, bilinear resize to ``loss_size``, L2 normalisation;
    3. ``loss_contrast`` between the pixels of I and of I'.

    A batch without the branch ``distorted`` (or without branches) has I' = I throughout. If a head
    returns several maps, as DANet's does, the one that goes into ``conv_seg`` is trained; the layers of
    the others get zero gradients, so only weight decay acts on them. Source: Zhao et al. (ICCV 2021),
    sections 3 and 4.1.

    Args:
        loss_contrast (dict, optional): Config of the loss. Defaults to
            :class:`SupervisedContrastLoss` with the paper's settings.
        projector (dict, optional): Config of the projection head, discarded after the pretraining.
            Defaults to the paper's three 1x1 convolutions of 256 channels.
        loss_size (tuple[int, int], optional): Height and width at which pixels are contrasted;
            None: those of the features.
        distortion_prob (float): Probability that I' is the distorted image, in [0, 1].
        kwargs: Arguments of MMSeg's ``EncoderDecoder``; ``auxiliary_head`` is left out.

    Raises:
        ValueError: If the decode head has no ``conv_seg``, or an option is out of its range.
    """

    def __init__(
        self,
        *,
        loss_contrast: dict | None = None,
        projector: dict | None = None,
        loss_size: tuple[int, int] | None = (65, 65),
        distortion_prob: float = 0.8,
        **kwargs: Any,
    ) -> None:
        in_range(self, '[0, 1]', 'a probability', distortion_prob=distortion_prob)
        if loss_size is not None and (len(loss_size) != 2 or min(loss_size) < 1):
            raise ValueError(
                f'ContrastivePretrainer(loss_size={loss_size}): give height and width, or None.'
            )
        check_decode_head(kwargs['decode_head'], type(self).__name__)
        super().__init__(**{**copy.deepcopy(kwargs), 'auxiliary_head': None})
        classifier = getattr(self.decode_head, 'conv_seg', None)
        if not isinstance(classifier, nn.Conv2d):
            raise ValueError(
                f"ContrastivePretrainer needs a decode head that classifies by 'conv_seg', "
                f'{type(self.decode_head).__name__} does not: choose another decode head.'
            )
        # The head may return more than the map it classifies, so the input of conv_seg is recorded.
        self.decode_head.conv_seg = nn.Identity()
        record_input(self.decode_head, DECODE)
        self.decode_head.loss_decode = None
        self.projector = MODELS.build(
            {
                'type': 'ConvProjector',
                'in_channels': classifier.in_channels,
                'out_channels': 256,
                'num_layers': 3,
                'init_std': None,
                **(projector or {}),
            }
        )
        self.loss_contrast = MODELS.build(
            {'type': 'SupervisedContrastLoss', **(loss_contrast or {})}
        )
        self.loss_size = None if loss_size is None else tuple(loss_size)
        self.distortion_prob = distortion_prob
        self.running_stats = RunningStats()

    def loss(self, inputs: Tensor | dict[str, Tensor], data_samples: Any) -> dict[str, Tensor]:
        """Compute the contrastive loss of a batch.

        Args:
            inputs (Tensor | dict): Images (B, C, H, W), or those of the branches ``sup`` and
                ``distorted``.
            data_samples (list | dict): Their data samples, likewise.

        Returns:
            dict[str, Tensor]: ``contrast.loss_contrast``; :class:`SemiDiagnosticsHook` logs the number of
            pixels it averages over.

        Raises:
            SetupError: If the batch has branches and none of them is ``sup``.
        """
        if not isinstance(inputs, dict):
            inputs, data_samples = {'sup': inputs}, {'sup': data_samples}
        if 'sup' not in inputs:
            raise SetupError(
                f"ContrastivePretrainer learns from the branch 'sup', the batch has {list(inputs)}: "
                'end the pipeline with the MultiBranch of configs/_base_/methods/label_efficient.py.'
            )
        images = inputs['sup']
        distorted = self._distorted(len(images)) if 'distorted' in inputs else []
        if distorted:
            chosen = _index(distorted, images.device)
            images = torch.cat([images, inputs['distorted'].index_select(0, chosen)])
        embedding = self.embed(images)
        size = embedding.shape[2:]
        pixels = embedding.flatten(2).transpose(1, 2)
        anchors = pixels[: len(inputs['sup'])]
        keys = None
        if distorted:
            # Row of each image's I': a distorted one, or the image itself.
            places = {image: len(anchors) + row for row, image in enumerate(distorted)}
            rows = [places.get(image, image) for image in range(len(anchors))]
            keys = pixels.index_select(0, _index(rows, pixels.device))
        targets = PixelTargets.from_samples(data_samples['sup'], self.decode_head.ignore_index)
        labels = nearest(targets.labels, size).flatten(1)
        loss, stats = self.loss_contrast(anchors, keys, labels, self.num_classes)
        self.running_stats.add(add_prefix(stats, 'contrast'))
        return {'contrast.loss_contrast': loss}

    def embed(self, images: Tensor) -> Tensor:
        """Return unit embeddings of the pixels.

        Args:
            images (Tensor): Preprocessed images of shape (B, C, H, W).

        Returns:
            Tensor: Of shape (B, D, h, w), in float32 (or float64), at ``loss_size``.
        """
        projected = self.projector(self._forward(images))
        with without_autocast(projected):
            if projected.dtype != torch.float64:
                projected = projected.float()
            if self.loss_size is not None:
                align = self.decode_head.align_corners
                projected = resize(projected, self.loss_size, mode='bilinear', align_corners=align)
            return F.normalize(projected, dim=1)

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> Tensor:
        """Return what the classifier would see, before its dropout, of shape (B, C, h, w).

        Raises:
            SetupError: If the decode head does not call its ``conv_seg``.
        """
        outputs = self.decode_head.forward(self.extract_feat(inputs))
        features = take_inputs(self.decode_head, [DECODE]).get(DECODE)
        if features is None:
            raise SetupError(
                f"ContrastivePretrainer needs a decode head that classifies by 'conv_seg', and "
                f'{type(self.decode_head).__name__} has one but does not call it: choose another '
                'decode head.'
            )
        if isinstance(outputs, Tensor):
            return features
        # Nothing is learnt from the other outputs, but DistributedDataParallel expects every parameter to
        # be used. The sum of no elements is exactly 0.
        return features + sum(output[:0].sum() for output in outputs if isinstance(output, Tensor))

    def _distorted(self, number: int) -> list[int]:
        # Drawn on the host, which then knows the size of the batch without asking the device.
        return [
            i for i, coin in enumerate(torch.rand(number).tolist()) if coin < self.distortion_prob
        ]

    def predict(self, inputs: Tensor, data_samples: list[SegDataSample] | None = None) -> None:
        """Refuse: there is no classifier yet.

        Args:
            inputs (Tensor): Unused.
            data_samples (list[SegDataSample], optional): Unused.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeError(
            'ContrastivePretrainer has no classifier and predicts nothing: fine-tune its checkpoint by '
            'load_from in a config with type=EncoderDecoder.'
        )


def _index(rows: list[int], device: torch.device) -> Tensor:
    return torch.tensor(rows).to(device, non_blocking=True)
