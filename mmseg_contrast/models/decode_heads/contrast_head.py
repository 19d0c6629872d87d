"""Base of the heads that learn pixel embeddings beside a segmentation head."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from ...problem import SetupError
from ...structures import Features, PixelTargets, SemiStep
from ...structures.running_stats import Ratio
from ..device import without_autocast
from ..distributed import reduce_mean
from ..memory import MemoryBank
from ..schedules import Ramp, current_iter
from ..slots import build_slot
from .decode_features import DECODE


class ContrastHead(BaseDecodeHead):
    """An auxiliary head that embeds pixels and returns a contrastive term.

    In a plain MMSeg ``EncoderDecoder`` it trains on the labels alone, and knows the decode head's
    logits if :class:`ShareLogitsHook` shows them; in :class:`SemiSupervisedSegmentor` it also gets the
    unlabelled images and the teacher through :meth:`loss_by_step`. It has no classifier and takes no
    part in inference.

    Args:
        in_channels (int): Channels of the feature that is embedded.
        channels (int): Channels D of the embedding.
        num_classes (int): Number of classes C.
        in_index (int | str): Backbone stage; or ``'decode'`` for the feature that the decode head
            classifies, before its dropout, and ``'decode.<part>'`` for the input of a part of it, by the
            name of the submodule: ``'decode.conv_seg'`` is the feature after the dropout (these in
            :class:`SemiSupervisedSegmentor` only).
        projector (dict, optional): Config of the projection head, any registered module that maps
            (B, in_channels, h, w) to (B, D, h, w). Defaults to :class:`ConvProjector`.
        loss_weight (float): Factor of the term.
        ramp (dict, optional): Arguments of :class:`Ramp`; none means a factor of 1 throughout.
        ignore_index (int): Label that the masks use for pixels that never count, beside 255.
        init_cfg (dict, optional): Initialisation of the head.
    """

    #: Whether the teacher must also see the labelled images.
    needs_teacher_on_labeled = False

    def __init__(
        self,
        in_channels: int,
        channels: int = 256,
        *,
        num_classes: int,
        in_index: int | str = -1,
        projector: dict | None = None,
        loss_weight: float = 0.1,
        ramp: dict | None = None,
        ignore_index: int = 255,
        align_corners: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        #: Where in the decode head the feature is taken; None: it is a backbone stage.
        self.decode_feature = _read_decode_feature(in_index)
        super().__init__(
            in_channels,
            channels,
            num_classes=num_classes,
            out_channels=num_classes,
            dropout_ratio=0,
            in_index=-1 if self.decode_feature else in_index,
            ignore_index=ignore_index,
            align_corners=align_corners,
            init_cfg=init_cfg,
        )
        # The base class always builds these; unused parameters would stop DistributedDataParallel.
        del self.conv_seg, self.loss_decode
        projector = projector or {'type': 'ConvProjector'}
        self.projector = MODELS.build(
            {'in_channels': in_channels, 'out_channels': channels, **projector}
        )
        self.loss_weight = loss_weight
        self.ramp = Ramp(**(ramp or {}))

    def build_bank(self, cfg: dict | None) -> MemoryBank | None:
        """Build the memory bank of the head's classes and embeddings.

        Args:
            cfg (dict, optional): Its config; none is no bank.
        """
        known = {'num_classes': self.num_classes, 'channels': self.channels}
        return build_slot(f'{type(self).__name__}.bank', MemoryBank, cfg, known)

    def embed(self, features: Features) -> Tensor:
        """Embed features; the result (B, D, h, w) is not normalised.

        Args:
            features (Features): Features of B images.

        Raises:
            ValueError: If a part of the decode head is asked for and its input not there.
        """
        if self.decode_feature is None:
            return self.forward(features.stages)
        if self.decode_feature not in features.decode:
            raise SetupError(
                f"{type(self).__name__}(in_index='{self.decode_feature}') needs SemiSupervisedSegmentor "
                'and a decode head that goes through this part: use them, or give a backbone stage as '
                'in_index.'
            )
        return self.projector(features.decode[self.decode_feature])

    def key_embedding(
        self, step: SemiStep, student: Tensor, teacher: ContrastHead | None
    ) -> Tensor:
        """Embed the images of a step with the teacher, as far as it has seen them.

        Args:
            step (SemiStep): What the step knows.
            student (Tensor): The student's aligned embedding, of shape (B_L + B_U, D, h, w), for the
                images that the teacher has not seen.
            teacher (ContrastHead, optional): The teacher's copy of this head.
        """
        num_labeled = len(step.labeled)
        labeled = student[:num_labeled]
        if step.teacher_labeled is not None and self.needs_teacher_on_labeled:
            labeled = teacher.embed(step.teacher_labeled).to(labeled)
        if step.teacher is None:
            return torch.cat([labeled, student[num_labeled:]])
        return torch.cat([labeled, teacher.embed(step.teacher).to(labeled)])

    def weigh(
        self, raw: Tensor, anchors: Tensor, positives: Tensor, negatives: Tensor
    ) -> tuple[dict[str, Tensor], dict[str, Tensor | Ratio | float]]:
        """Give a term its weight and ramp, and say what to log of it.

        Args:
            raw (Tensor): The term, a scalar.
            anchors (Tensor): Number of its anchors.
            positives (Tensor): Number of the positives of all of them.
            negatives (Tensor): Number of the negatives of all of them.

        Returns:
            tuple[dict, dict]: As of :meth:`loss_by_step`; positives and negatives are those of an
            anchor, on average.
        """
        ramp = self.ramp(current_iter())
        return {'loss_contrast': self.loss_weight * ramp * raw}, {
            'raw': Ratio(raw.detach(), anchors > 0),
            'ramp': ramp,
            'anchors': anchors,
            'positives': Ratio(positives, anchors),
            'negatives': Ratio(negatives, anchors),
        }

    def zero(self) -> Tensor:
        """Return an exact 0 with a gradient path to all parameters of the head."""
        return sum(parameter.sum() for parameter in self.parameters()) * 0

    def drop_student_state(self) -> None:
        """Drop what only the student's copy of the head needs; the teacher calls it once."""

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Embed the backbone's features.

        Args:
            inputs (Sequence[Tensor]): Feature maps of the backbone's stages.
        """
        return self.projector(self._transform_inputs(inputs))

    def watch(self, classifier: nn.Module) -> None:
        """Use the output of a classifier in :meth:`loss`, which MMSeg gives features and labels alone.

        Args:
            classifier (nn.Module): Layer that makes the decode head's logits. Not the head, whose
                ``forward`` MMSeg calls past the hooks of modules.
        """
        classifier.register_forward_hook(self._keep_logits)

    def _keep_logits(self, module: nn.Module, args: tuple, logits: Tensor) -> None:
        if module.training:
            self.seen_logits = logits.detach()

    def options_for_logits(self) -> list[str]:
        """Name the options in use that have no effect where the decode head's logits are not known."""
        return []

    def options_for_unlabeled(self) -> dict[str, str]:
        """Name the options in use that have no effect on labels alone, each with what to set instead."""
        return {}

    def options_for_teacher(self) -> dict[str, str]:
        """Name the options in use that take the teacher's features of the unlabelled images.

        The teacher sees these images unmixed, so the options do not go with a mixing that moves the
        targets. Each comes with what to set instead.
        """
        return {}

    def loss(
        self, inputs: Sequence[Tensor], batch_data_samples: Sequence[SegDataSample], train_cfg: dict
    ) -> dict[str, Tensor]:
        """Compute the term on labels alone, as MMSeg calls an auxiliary head.

        Args:
            inputs (Sequence[Tensor]): Feature maps of the backbone's stages.
            batch_data_samples (Sequence[SegDataSample]): Samples with ``gt_sem_seg``.
            train_cfg (dict): Unused.

        Raises:
            ValueError: If an option needs a teacher or unlabelled images.
        """
        name = type(self).__name__
        if options := self.options_for_unlabeled():
            option, instead = next(iter(options.items()))
            raise SetupError(
                f'{name}({option}) has no effect on labels alone, without a teacher and unlabelled '
                f'images: set {instead}, or train a SemiSupervisedSegmentor with both.'
            )
        logits = vars(self).pop('seen_logits', None)
        if logits is None and (options := self.options_for_logits()):
            warnings.warn(
                f"{name}({', '.join(options)}) has no effect without the decode head's logits: add "
                "dict(type='ShareLogitsHook') to custom_hooks.",
                stacklevel=2,
            )
        labeled = PixelTargets.from_samples(batch_data_samples, self.ignore_index)
        losses, stats = self.loss_by_step(SemiStep.of_labels(inputs, labeled, logits))
        # MMEngine averages what it logs, which integers do not allow.
        stats = {k: v.value() if isinstance(v, Ratio) else v for k, v in stats.items()}
        return {**losses, **{k: v.float() for k, v in stats.items() if isinstance(v, Tensor)}}

    @abstractmethod
    def loss_by_step(
        self, step: SemiStep, teacher: ContrastHead | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor | Ratio | float]]:
        """Compute the term of one training step.

        Args:
            step (SemiStep): What the step knows.
            teacher (ContrastHead, optional): The teacher's copy of this head.

        Returns:
            tuple[dict, dict]: Losses, each with a gradient path to all parameters of the head even
            where it is 0; and statistics to log (no name contains ``loss``).
        """


def anchor_mean(total: Tensor, anchors: Tensor) -> Tensor:
    """Return the mean of a loss over the anchors of all ranks; see :func:`reduce_mean`.

    Args:
        total (Tensor): Sum of the loss over this rank's anchors.
        anchors (Tensor): Number of these.
    """
    number = reduce_mean(anchors.float())
    # Padding is no part of the sum, so a step without anchors has loss 0 and gradient 0.
    return total / torch.where(number > 0, number, 1)


def class_sums(embedding: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Sum the vectors of each class in each image.

    Args:
        embedding (Tensor): Vectors of shape (B, D, h, w).
        labels (Tensor): Class of each, int64 of shape (B, h, w); others than ``[0, C)`` do not count.
        num_classes (int): Number of classes C.

    Returns:
        tuple[Tensor, Tensor]: Sums of shape (B, C, D) and numbers of shape (B, C).
    """
    classes = torch.arange(num_classes, device=labels.device)
    belongs = labels.flatten(1).unsqueeze(1) == classes[:, None]
    with without_autocast(embedding):
        sums = belongs.to(embedding) @ embedding.flatten(2).transpose(1, 2)
    return sums, belongs.sum(2)


def group_by_class(x: Tensor) -> Tensor:
    """Reshape what was sampled, (B, C, K, ...), to rows of each class, (C, B K, ...)."""
    return x.transpose(0, 1).flatten(1, 2)


def _read_decode_feature(in_index: int | str) -> str | None:
    if not isinstance(in_index, str):
        return None
    if in_index.partition('.')[0] != DECODE:
        raise ValueError(
            f"in_index='{in_index}' is unknown: give the number of a backbone stage, 'decode', or "
            "'decode.<part>'."
        )
    return in_index
