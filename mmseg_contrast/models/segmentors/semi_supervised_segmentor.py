"""Any MMSeg ``EncoderDecoder``, trained on labelled and unlabelled images together."""

from __future__ import annotations

import copy
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmseg.models import EncoderDecoder
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import add_prefix
from torch import Tensor, nn

from ...structures import Features, PixelTargets, SemiStep, count_classes
from ...utils.running_stats import Ratio, RunningStats
from ..decode_heads import ContrastHead
from ..losses import PixelCrossEntropyLoss
from ..mixing import Mixed
from ..utils import (
    NamedEMA,
    Ramp,
    RequiredHook,
    build_slot,
    check_length,
    current_iter,
    in_iterations,
    supervised_losses,
    top_class,
)
from ..utils.decode_taps import add_tap, take_taps
from ..utils.ramp import max_iters
from .decode_head_check import check_decode_head
from .student_view import StudentView

BRANCHES = ('student', 'teacher')
VIEWS = ('weak', 'strong')
#: ``strong2`` is a strong view that is drawn on its own.
TEACHER_VIEWS = (*VIEWS, 'strong2')
LABELED = ('sup', 'source')
TEACHER_NORMS = ('running', 'batch')
Samples = list[SegDataSample]
Stats = dict[str, 'Tensor | Ratio | float']


class TeacherBranch(EncoderDecoder):
    """The teacher: same network as the student, frozen and always in eval mode.

    Args:
        norm (str): ``'running'``; ``'batch'`` follows the student into train mode, as some published
            code does: batch norm by the statistics of the batch, and dropout.
        kwargs: Arguments of MMSeg's ``EncoderDecoder``.
    """

    def __init__(self, norm: str = 'running', **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.follows_mode = norm == 'batch'
        for head in self.modules():
            if isinstance(head, ContrastHead):
                head.drop_student_state()
        self.requires_grad_(False)
        self.eval()

    def init_weights(self) -> None:
        """Do nothing: the teacher starts as a copy of the student."""

    def train(self, mode: bool = True) -> TeacherBranch:
        """Stay in eval mode whatever the student does, unless told to follow it."""
        return super().train(mode and self.follows_mode)


@MODELS.register_module()
class SemiSupervisedSegmentor(EncoderDecoder):
    r"""Semi-supervised training of an ``EncoderDecoder`` with an EMA teacher.

    The segmentor itself is the student (keys ``backbone.*``, ``decode_head.*``, ...), the teacher is
    its child ``teacher``; so MMSeg's test, inference, TTA and plain loading see the student.
    :class:`MeanTeacherHook` keeps the teacher. A training batch has the branches ``sup`` (labelled),
    ``source`` (labelled, of another domain) and ``weak`` and ``strong`` (unlabelled, same geometry); each
    set may be absent. One step:

    1. the teacher predicts the weak images; the ``selector`` says which pixels are trusted; labels and
       pseudo-labels are counted for the ``class_weights``;
    2. labelled and strong images are joined and go through ``mixing``;
    3. one student forward; its outputs are brought back into the layout of the targets;
    4. loss = supervised + consistency (``unsup_loss``) + each :class:`ContrastHead` among the
       auxiliary heads.

    Before ``burn_in`` iterations have passed, only the labelled images are used. A batch without
    branches trains as in a plain ``EncoderDecoder``.

    Args:
        selector (dict, optional): Config of the selector; none trusts every valid pixel. Selectors
            and auxiliary heads without ``num_classes`` take that of the decode head; auxiliary heads
            take its ``ignore_index`` too.
        mixing (dict, optional): Config of the mixing; none leaves images as they are.
        unsup_loss (dict | list[dict], optional): Config of the loss on pseudo-labels, or of several;
            none has no such term.
        class_weights (dict, optional): Config of the weights of classes in the supervised losses and
            in those on pseudo-labels; none weighs all alike. Needs ``PixelCrossEntropyLoss``.
        extra_views (list[dict], optional): Arguments of :class:`StudentView`: further views of the
            unlabelled images that ``unsup_loss`` is applied to, beside ``student_view``.
        semi_train_cfg (dict, optional): ``burn_in`` (float, default 0): iterations on labels
            alone, or a share of the training in (0, 1);
            ``hard_labels`` (bool, default False): the unsupervised loss sees the teacher's argmax
            instead of its probabilities; ``teacher_view`` and ``student_view`` (``'weak'`` and
            ``'strong'``): the branch that each of them sees; ``teacher_norm``: ``'running'`` (default)
            or ``'batch'``, see :class:`TeacherBranch`.
        semi_test_cfg (dict, optional): ``predict_on``: ``'student'`` (default) or ``'teacher'``.
        kwargs: Arguments of MMSeg's ``EncoderDecoder``.

    Raises:
        ValueError: If an option is unknown or out of its range, or a head does not fit.
    """

    def __init__(
        self,
        *,
        selector: dict | None = None,
        mixing: dict | None = None,
        unsup_loss: dict | list[dict] | None = None,
        class_weights: dict | None = None,
        extra_views: list[dict] | None = None,
        semi_train_cfg: dict | None = None,
        semi_test_cfg: dict | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs = copy.deepcopy(kwargs)
        check_decode_head(kwargs['decode_head'], type(self).__name__)
        num_classes = kwargs['decode_head']['num_classes']
        for head in _as_list(kwargs.get('auxiliary_head')):
            head.setdefault('num_classes', num_classes)
            if 'ignore_index' in kwargs['decode_head']:
                head.setdefault('ignore_index', kwargs['decode_head']['ignore_index'])
        teacher_cfg = {k: v for k, v in kwargs.items() if k != 'data_preprocessor'}
        super().__init__(**kwargs)
        self.semi_train_cfg = _read_train_cfg(**(semi_train_cfg or {}))
        teacher_cfg.update(pretrained=None, init_cfg=None, norm=self.semi_train_cfg.teacher_norm)
        self.teacher = TeacherBranch(**teacher_cfg)
        # What method files do not know: the data set and how its images are normalised.
        known = {'num_classes': num_classes}
        if preprocessor := kwargs.get('data_preprocessor'):
            known.update({key: preprocessor.get(key) for key in ('mean', 'std')})
            known['bgr_to_rgb'] = preprocessor.get('bgr_to_rgb', False)
        self.selector = build_slot('selector', selector, known)
        self.mixing = build_slot('mixing', mixing, known)
        self.class_weights = build_slot('class_weights', class_weights, known)
        if isinstance(unsup_loss, list):
            self.unsup_loss = nn.ModuleList(MODELS.build(cfg) for cfg in unsup_loss)
        else:
            self.unsup_loss = None if unsup_loss is None else MODELS.build(unsup_loss)
        if extra_views and self.unsup_loss is None:
            raise ValueError(
                f'extra_views={[view["view"] for view in extra_views]} do nothing without unsup_loss, '
                'which is applied to them: give unsup_loss, or leave them out.'
            )
        self.extra_views = nn.ModuleList(StudentView(**view) for view in extra_views or [])
        self.semi_test_cfg = _read_test_cfg(**(semi_test_cfg or {}))
        for part in self.modules():
            if isinstance(ramp := getattr(part, 'ramp', None), Ramp):
                ramp.follow_burn_in(self.semi_train_cfg.burn_in)
        self._check_heads()

        self.register_buffer('ema_steps', torch.zeros((), dtype=torch.long))
        #: Whether a checkpoint with a teacher has been loaded, which must then not be overwritten.
        self.teacher_loaded = False
        self.hook = RequiredHook(
            'MeanTeacherHook',
            'the teacher never moves and its labels are those of its first weights',
        )
        self.running_stats = RunningStats()
        self.taps = sorted({head.tap for _, head in self.contrast_heads() if head.tap})
        for name in self.taps:
            add_tap(self.decode_head, name)
            add_tap(self.teacher.decode_head, name)

    # ------------------------------------------------------------------ set-up

    def _check_heads(self) -> None:
        if self.out_channels != self.num_classes:
            raise ValueError(
                f'decode_head.out_channels={self.out_channels} with num_classes={self.num_classes}: a '
                'single sigmoid channel has no class probabilities; set out_channels=2.'
            )
        parts = {
            'selector': self.selector,
            'class_weights': self.class_weights,
            **dict(self.contrast_heads()),
        }
        for name, part in parts.items():
            classes = getattr(part, 'num_classes', self.num_classes)
            if classes != self.num_classes:
                raise ValueError(
                    f'{name}.num_classes={classes} but decode_head.num_classes={self.num_classes}: '
                    'give both the number of classes of the data set.'
                )
        for name, head in self._auxiliary():
            if head.ignore_index != self.decode_head.ignore_index:
                raise ValueError(
                    f'{name}.ignore_index={head.ignore_index} but decode_head.ignore_index='
                    f'{self.decode_head.ignore_index}: the masks have one; leave it out in auxiliary '
                    'heads.'
                )
        if self.class_weights is not None:
            heads = [('decode_head', self.decode_head), *self._auxiliary()]
            for name, head in heads:
                if not isinstance(head, ContrastHead):
                    _check_takes_class_weights(name, head)

    def contrast_heads(self, teacher: bool = False) -> list[tuple[str, ContrastHead]]:
        """Return the names and modules of the contrast heads among the auxiliary heads.

        Args:
            teacher (bool): Whether to return the teacher's copies.
        """
        return [pair for pair in self._auxiliary(teacher) if isinstance(pair[1], ContrastHead)]

    def _auxiliary(self, teacher: bool = False) -> list[tuple[str, nn.Module]]:
        owner = self.teacher if teacher else self
        if not owner.with_auxiliary_head:
            return []
        heads = owner.auxiliary_head
        if isinstance(heads, nn.ModuleList):
            return [(f'aux_{i}', head) for i, head in enumerate(heads)]
        return [('aux', heads)]

    def teacher_ema(self) -> NamedEMA:
        """Pair the teacher's state with the student's, for :class:`MeanTeacherHook`."""
        return NamedEMA(self.teacher, self)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        # A plain checkpoint fills both branches; one with a teacher must survive `before_train`.
        own = f'{prefix}teacher.'
        if any(key.startswith(own) for key in state_dict):
            self.teacher_loaded = True
        else:
            for name in self.teacher.state_dict():
                if prefix + name in state_dict:
                    state_dict[own + name] = state_dict[prefix + name]
        super()._load_from_state_dict(state_dict, prefix, *args)

    # ------------------------------------------------------------------ training

    @property
    def burn_in(self) -> int:
        """Iterations on labels alone."""
        return in_iterations(self.semi_train_cfg.burn_in)

    def _check_unlabeled(self) -> None:
        """Refuse to train on unlabelled images from which nothing can be learnt."""
        self.hook.check()
        if 0 < max_iters() <= self.burn_in:
            raise ValueError(
                f'semi_train_cfg.burn_in={self.semi_train_cfg.burn_in} lasts for all of the '
                f'{max_iters()} iterations, so that no unlabelled image is used: shorten it, give a '
                'share of the training (0.1), or raise train_cfg.max_iters.'
            )
        if self.unsup_loss is None and not self.contrast_heads():
            raise ValueError(
                'nothing learns from the unlabelled images: the model has neither unsup_loss nor a '
                'contrast head; give one, or train on the labelled images alone.'
            )

    def loss(self, inputs: Tensor | dict[str, Tensor], data_samples: Any) -> dict[str, Tensor]:
        """Compute the losses of a batch.

        Args:
            inputs (Tensor | dict): Images (B, C, H, W), for each branch where the batch has them.
            data_samples (list | dict): Their data samples, likewise.

        Returns:
            dict[str, Tensor]: Losses with the prefixes ``sup``, ``unsup`` and ``contrast``.
        """
        if not isinstance(inputs, dict):
            return super().loss(inputs, data_samples)
        present = [name for name in LABELED if name in inputs]
        samples = [sample for name in present for sample in data_samples[name]]
        images = torch.cat([inputs[name] for name in present]) if present else None
        step = SemiStep(Features(()))
        if present:
            step.labeled = PixelTargets.from_samples(samples, self.decode_head.ignore_index)
            step.num_target = len(data_samples.get('sup', []))
        stats: Stats = {}
        teacher_view = self.semi_train_cfg.teacher_view
        student_view = self.semi_train_cfg.student_view
        if student_view in inputs:
            self._check_unlabeled()
        burnt_in = current_iter() >= self.burn_in
        if student_view in inputs and burnt_in:
            step.teacher, step.pseudo, stats = self.get_pseudo_labels(
                inputs[teacher_view], data_samples[teacher_view]
            )
        class_weight = None
        if self.class_weights is not None:
            class_weight = self.class_weights(step.target_labeled, step.pseudo)
            if class_weight is not None:
                stats['class_weight_per_class'] = class_weight
        labeled_images, unmixed = images, step.pseudo
        if step.pseudo is not None:
            if known := step.target_labeled:
                counts = count_classes(known.labels, self.num_classes, known.ignore_index)
                stats['sup.share_per_class'] = _shares(counts)
            unlabeled = inputs[student_view]
            images = unlabeled if images is None else torch.cat([images, unlabeled])
            mixed = self._mix(images, step.labeled, step.pseudo, step.num_target)
            images, step.align = mixed.images, mixed.align
            step.labeled, step.pseudo = mixed.labeled, mixed.pseudo
            if mixed.moved:
                step.teacher = None
                labeled_images = images[: len(samples)]
                samples = step.labeled.to_samples() if samples else []
        elif images is None:
            # Unlabelled images during the burn-in: nothing to learn from, but a graph to step through.
            images = inputs[student_view]
        if (
            samples
            and burnt_in
            and any(h.needs_teacher_on_labeled for _, h in self.contrast_heads())
        ):
            with torch.no_grad():
                step.teacher_labeled, _ = self._forward_branch(self.teacher, labeled_images)

        step.student, logits = self._forward_branch(self, images)
        logits = step.align(logits)
        step.logits = logits.detach()
        losses = self.loss_by_gt(logits, step, samples, class_weight)
        if step.labeled is not None and self.selector is not None:
            self.selector.observe(step.logits[: len(step.labeled)], step.labeled.labels)
        if step.pseudo is not None and self.unsup_loss is not None:
            losses.update(
                self.loss_by_pseudo(logits[-len(step.pseudo) :], step.pseudo, class_weight)
            )
            for view in self.extra_views:
                losses.update(self._loss_by_view(view, inputs, unmixed, class_weight))
        losses.update(self._loss_by_contrast(step))
        self.running_stats.add(stats)
        return losses

    def loss_by_gt(
        self, logits: Tensor, step: SemiStep, samples: Samples, class_weight: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Compute the supervised losses of the decode head and the ordinary auxiliary heads.

        Args:
            logits (Tensor): Aligned logits at image resolution, labelled images first.
            step (SemiStep): The step; its ``student`` features feed the auxiliary heads.
            samples (list[SegDataSample]): Data samples of the B_L labelled images.
            class_weight (Tensor, optional): Factor of each class, (C,).
        """
        outputs = {'decode': (self.decode_head, logits)}
        for name, head in self._auxiliary():
            if not isinstance(head, ContrastHead):
                low = self._logits(head, step.student.stages)
                outputs[name] = (head, step.align(self._upsample(head, low, logits.shape[2:])))
        losses: dict[str, Tensor] = {}
        for name, (head, output) in outputs.items():
            if samples:
                value = supervised_losses(head, output[: len(samples)], samples, class_weight)
            else:
                value = {'loss_none': output.sum() * 0}
            losses.update(add_prefix(value, f'sup.{name}'))
        return losses

    @torch.no_grad()
    def get_pseudo_labels(
        self, images: Tensor, samples: Samples
    ) -> tuple[Features, PixelTargets, Stats]:
        """Let the teacher label the weakly augmented images and select the pixels to trust.

        Args:
            images (Tensor): Weakly augmented unlabelled images of shape (B_U, 3, H, W).
            samples (list[SegDataSample]): Their data samples; ``gt_sem_seg`` is the valid map, in
                which ignored pixels are padding or rotation border.

        Returns:
            tuple: Teacher's features of the images; the selected targets; statistics to log.
        """
        features, logits = self._forward_branch(self.teacher, images)
        # The valid map is of our own making: the ignore index of the masks means nothing in it.
        valid = PixelTargets.from_samples(samples).weight > 0
        probs = logits.softmax(1)
        if self.selector is None:
            weight, stats = valid.float(), {}
        else:
            weight, stats = self.selector(probs, valid)
        labels = top_class(probs).labels.masked_fill(~valid, PixelTargets.ignore_index)
        targets = PixelTargets(labels, weight, None if self.semi_train_cfg.hard_labels else probs)
        stats = {**stats, **_coverage(targets, self.num_classes)}
        return features, targets, add_prefix(stats, 'unsup')

    def loss_by_pseudo(
        self,
        logits: Tensor,
        targets: PixelTargets,
        class_weight: Tensor | None = None,
        prefix: str = 'unsup',
    ) -> dict[str, Tensor]:
        """Compute the losses on the pseudo-labels.

        Args:
            logits (Tensor): Aligned student logits of the unlabelled images.
            targets (PixelTargets): Their selected pseudo-labels.
            class_weight (Tensor, optional): Factor of each class, (C,).
            prefix (str): Prefix of the names of losses and statistics.
        """
        terms = self.unsup_loss
        losses: dict[str, Tensor] = {}
        for term in terms if isinstance(terms, nn.ModuleList) else [terms]:
            values, stats = term(logits, targets, class_weight)
            losses.update(add_prefix(values, prefix))
            self.running_stats.add(add_prefix(stats, prefix))
        return losses

    def _loss_by_view(
        self,
        view: StudentView,
        inputs: dict[str, Tensor],
        pseudo: PixelTargets,
        class_weight: Tensor | None,
    ) -> dict[str, Tensor]:
        images = view.images(inputs)
        mixed = Mixed(images, None, pseudo, lambda x: x)
        if view.mix:
            mixed = self._mix(images, None, pseudo)
        _, logits = self._forward_branch(self, mixed.images, view.perturbation)
        losses = self.loss_by_pseudo(
            mixed.align(logits), mixed.pseudo, class_weight, f'unsup.{view.view}'
        )
        return {name: view.weight * value for name, value in losses.items()}

    def _loss_by_contrast(self, step: SemiStep) -> dict[str, Tensor]:
        heads = self.contrast_heads()
        losses: dict[str, Tensor] = {}
        for (name, head), (_, teacher) in zip(heads, self.contrast_heads(teacher=True)):
            prefix = 'contrast' if len(heads) == 1 else f'contrast.{name}'
            if step.labeled is None and step.pseudo is None:
                value, stats = {'loss_contrast': head.zero()}, {}
            else:
                value, stats = head.loss_by_step(step, teacher)
            losses.update(add_prefix(value, prefix))
            self.running_stats.add(add_prefix(stats, prefix))
        return losses

    def _mix(
        self,
        images: Tensor,
        labeled: PixelTargets | None,
        pseudo: PixelTargets,
        num_target: int | None = None,
    ) -> Mixed:
        if self.mixing is None:
            return Mixed(images, labeled, pseudo, lambda x: x)
        return self.mixing(images, labeled, pseudo, num_target)

    def student_features(self, images: Tensor) -> Features:
        """Return what the contrast heads see of images, without augmentation or mixing.

        Args:
            images (Tensor): Preprocessed images of shape (B, 3, H, W).
        """
        return self._forward_branch(self, images)[0]

    def _forward_branch(
        self, branch: EncoderDecoder, images: Tensor, perturbation: nn.Module | None = None
    ) -> tuple[Features, Tensor]:
        stages = branch.extract_feat(images)
        if perturbation is not None:
            stages = perturbation(stages)
        head = branch.decode_head
        low = self._logits(head, stages)
        features = Features(stages, take_taps(head, self.taps), low)
        return features, self._upsample(head, low, images.shape[2:])

    @staticmethod
    def _logits(head: nn.Module, stages: Any) -> Tensor:
        logits = head.forward(stages)
        if not isinstance(logits, Tensor):
            raise TypeError(
                f'{type(head).__name__} returns {type(logits).__name__} instead of one map of logits, '
                'which semi-supervised training cannot use: choose a head that returns logits.'
            )
        return logits

    @staticmethod
    def _upsample(head: nn.Module, logits: Tensor, size: torch.Size) -> Tensor:
        # In float32, whose values between the grid points differ: those of half precision would tie, and
        # a selector could not keep its share of them.
        logits = logits if logits.dtype == torch.float64 else logits.float()
        return resize(logits, size=size, mode='bilinear', align_corners=head.align_corners)

    # ------------------------------------------------------------------ testing

    def predict(self, inputs: Tensor, data_samples: Any = None) -> Samples:
        """Predict with the branch that ``semi_test_cfg.predict_on`` names, as MMSeg does."""
        if self.semi_test_cfg.predict_on == 'teacher':
            return self.teacher.predict(inputs, data_samples)
        return super().predict(inputs, data_samples)

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> Tensor:
        branch = self.teacher if self.semi_test_cfg.predict_on == 'teacher' else self
        return branch.decode_head.forward(branch.extract_feat(inputs))


def _as_list(cfg: dict | list | None) -> list[dict]:
    return cfg if isinstance(cfg, list) else [cfg] if cfg else []


def _check_takes_class_weights(name: str, head: nn.Module) -> None:
    criteria = getattr(head, 'loss_decode', None)
    criteria = criteria if isinstance(criteria, nn.ModuleList) else [criteria]
    own = type(head).loss_by_feat is not BaseDecodeHead.loss_by_feat
    if own or not all(isinstance(each, PixelCrossEntropyLoss) for each in criteria):
        raise ValueError(
            f'class_weights needs heads whose loss_decode is a PixelCrossEntropyLoss, and that of '
            f'{name} ({type(head).__name__}) is another: change it or remove class_weights.'
        )


def _read_train_cfg(
    burn_in: float = 0,
    hard_labels: bool = False,
    teacher_view: str = 'weak',
    student_view: str = 'strong',
    teacher_norm: str = 'running',
    **unknown: Any,
) -> ConfigDict:
    if unknown:
        raise ValueError(
            f"semi_train_cfg.{next(iter(unknown))} is unknown: use 'burn_in', 'hard_labels', "
            "'teacher_view', 'student_view' and 'teacher_norm'."
        )
    check_length(burn_in, 'semi_train_cfg.burn_in')
    for key, view, known in (
        ('teacher_view', teacher_view, TEACHER_VIEWS),
        ('student_view', student_view, VIEWS),
    ):
        if view not in known:
            raise ValueError(f"semi_train_cfg.{key}='{view}' is unknown: use one of {known}.")
    if teacher_norm not in TEACHER_NORMS:
        raise ValueError(
            f"semi_train_cfg.teacher_norm='{teacher_norm}' is unknown: use one of {TEACHER_NORMS}."
        )
    return ConfigDict(
        burn_in=burn_in,
        hard_labels=hard_labels,
        teacher_view=teacher_view,
        student_view=student_view,
        teacher_norm=teacher_norm,
    )


def _read_test_cfg(predict_on: str = 'student', **unknown: Any) -> ConfigDict:
    if unknown:
        raise ValueError(f"semi_test_cfg.{next(iter(unknown))} is unknown: use 'predict_on'.")
    if predict_on not in BRANCHES:
        raise ValueError(
            f"semi_test_cfg.predict_on='{predict_on}' is unknown: use one of {BRANCHES}."
        )
    return ConfigDict(predict_on=predict_on)


def _coverage(targets: PixelTargets, num_classes: int) -> Stats:
    # Share of valid pixels that are selected: over all, and over those predicted as each class.
    seen = count_classes(targets.labels, num_classes, targets.ignore_index)
    kept = count_classes(targets.accepted_labels, num_classes, targets.ignore_index)
    return {
        'coverage': Ratio(kept.sum(), seen.sum()),
        'coverage_per_class': Ratio(kept, seen),
        'share_per_class': _shares(seen),
    }


def _shares(counts: Tensor) -> Ratio:
    return Ratio(counts, counts.sum().expand_as(counts))
