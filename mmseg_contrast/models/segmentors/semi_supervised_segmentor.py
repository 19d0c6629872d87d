"""Any MMSeg ``EncoderDecoder``, trained on labelled and unlabelled images together."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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

from ...problem import SetupError
from ...structures import (
    Features,
    LabeledImages,
    PixelTargets,
    PseudoLabels,
    SemiStep,
    StudentOutput,
    count_classes,
)
from ...structures.running_stats import Ratio, RunningStats
from ...structures.step import BRANCHES
from ..backbones import FrozenBackbone
from ..class_weights import ClassWeights
from ..decode_heads import ContrastHead
from ..decode_heads.decode_features import DECODE, record_input, take_inputs
from ..losses import PixelCrossEntropyLoss, UnsupervisedLoss
from ..mixing import Mixed, Mixing
from ..required_hook import RequiredHook
from ..schedules import Ramp, check_length, current_iter, in_iterations, max_iters
from ..selectors import Selector
from ..selectors.top_class import top_class
from ..slots import build_slot
from .decode_head_check import check_decode_head
from .loss_log import LossLog
from .named_ema import NamedEMA
from .student_view import Perturbations, StudentView
from .supervised_losses import supervised_losses

LABELED = ('sup', 'source')
TEACHER_NORMS = ('running', 'batch')
Samples = list[SegDataSample]
Stats = dict[str, 'Tensor | Ratio | float']


class TeacherBranch(EncoderDecoder):
    """The teacher: same network as the student, frozen and always in eval mode.

    Args:
        backbone (dict | FrozenBackbone): Config; or the student's own backbone, which is then shared.
        norm (str): ``'running'`` uses the running statistics of batch norm; ``'batch'`` follows the
            student into train mode, as some published code does: batch statistics, and active dropout.
        kwargs: Arguments of MMSeg's ``EncoderDecoder``.
    """

    def __init__(
        self, backbone: dict | FrozenBackbone, norm: str = 'running', **kwargs: Any
    ) -> None:
        shared = isinstance(backbone, FrozenBackbone)
        super().__init__(backbone={'type': nn.Identity} if shared else backbone, **kwargs)
        if shared:
            # Not a child: its weights are in the state and among the parameters once, as the student's.
            del self.backbone
            vars(self)['backbone'] = backbone
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

    The segmentor itself is the student (keys ``backbone.*``, ``decode_head.*``, ...) and the teacher is
    its child ``teacher``, so MMSeg's test, inference, TTA and plain loading see the student.
    :class:`MeanTeacherHook` updates the teacher; a :class:`FrozenBackbone` is shared by both. A training
    batch has the branches ``sup`` (labelled), ``source`` (labelled, from another domain) and ``weak`` and
    ``strong`` (unlabelled, same geometry); each set may be absent. One step:

    1. read: images and masks of the labelled images;
    2. pseudo-label: the teacher predicts the weak images, and the ``selector`` says which pixels are
       trusted; labels and pseudo-labels are counted for the ``class_weights``;
    3. mix: labelled images and the ``views`` of the unlabelled ones go through ``mixing``;
    4. student: one forward of all of them; its outputs are brought back into the layout of the targets;
    5. terms: loss = supervised + ``unsup_loss`` of each view + each :class:`ContrastHead` among the
       auxiliary heads, which sees the labelled images and the first view.

    Before ``burn_in`` iterations have passed, only the labelled images are used. A batch without
    branches trains as in a plain ``EncoderDecoder``.

    Args:
        selector (dict, optional): Config of the selector; None trusts every valid pixel. Selectors and
            auxiliary heads without ``num_classes`` take that of the decode head; auxiliary heads also
            take its ``ignore_index``, and contrast heads with ``in_index='decode'`` its ``channels``.
        mixing (dict, optional): Config of the mixing; None leaves images as they are.
        unsup_loss (dict | list[dict], optional): Config of the loss on pseudo-labels, or of several; None
            means no such term.
        class_weights (dict, optional): Config of the class weights in the supervised losses and in those
            on pseudo-labels; None weights all classes equally. Needs ``PixelCrossEntropyLoss``.
        views (Sequence[dict]): Arguments of :class:`StudentView`, one for each view of the unlabelled
            images that the student learns from. Losses of a single view are named ``unsup.*``, those of
            several ``unsup.<branch>.*``.
        semi_train_cfg (dict, optional): ``burn_in`` (float, default 0): iterations on labels
            alone, or a share of the training in (0, 1); ``teacher_view`` (``'weak'``): the branch
            that the teacher sees; ``teacher_norm``: ``'running'`` (default) or ``'batch'``, see
            :class:`TeacherBranch`.
        semi_test_cfg (dict, optional): ``predict_on``: ``'student'`` (default) or ``'teacher'``.
        kwargs: Arguments of MMSeg's ``EncoderDecoder``.

    Raises:
        ValueError: If an option is unknown or out of range, or a head does not fit.
    """

    def __init__(
        self,
        *,
        selector: dict | None = None,
        mixing: dict | None = None,
        unsup_loss: dict | list[dict] | None = None,
        class_weights: dict | None = None,
        views: Sequence[dict] = (dict(branch='strong'),),
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
            if head.get('in_index') == DECODE and 'channels' in kwargs['decode_head']:
                head.setdefault('in_channels', kwargs['decode_head']['channels'])
        teacher_cfg = {k: v for k, v in kwargs.items() if k != 'data_preprocessor'}
        super().__init__(**kwargs)
        self.semi_train_cfg = _read_train_cfg(**(semi_train_cfg or {}))
        teacher_cfg.update(pretrained=None, init_cfg=None, norm=self.semi_train_cfg.teacher_norm)
        if isinstance(self.backbone, FrozenBackbone):
            teacher_cfg['backbone'] = self.backbone
        self.teacher = TeacherBranch(**teacher_cfg)
        # What method files cannot know: the data set and how its images are normalised.
        known = {'num_classes': num_classes}
        if preprocessor := kwargs.get('data_preprocessor'):
            known.update({key: preprocessor.get(key) for key in ('mean', 'std')})
            known['bgr_to_rgb'] = preprocessor.get('bgr_to_rgb', False)
        self.selector = build_slot('selector', Selector, selector, known)
        self.mixing = build_slot('mixing', Mixing, mixing, known)
        self.class_weights = build_slot('class_weights', ClassWeights, class_weights, known)
        self.unsup_loss = nn.ModuleList(
            build_slot('unsup_loss', UnsupervisedLoss, cfg, known) for cfg in _as_list(unsup_loss)
        )
        self.views = [StudentView(**view) for view in views]
        self.perturbation = Perturbations(self.views)
        #: The net that predicts, ``'student'`` or ``'teacher'``; :meth:`predict_with` changes it for a while.
        self.predict_on = _read_test_cfg(**(semi_test_cfg or {}))
        for part in self.modules():
            if isinstance(ramp := getattr(part, 'ramp', None), Ramp):
                ramp.follow_burn_in(self.semi_train_cfg.burn_in)
        self._check_heads()
        self._check_views()

        self.register_buffer('ema_steps', torch.zeros((), dtype=torch.long))
        #: Whether a checkpoint with a teacher has been loaded; that teacher must not be overwritten.
        self.teacher_loaded = False
        self.hook = RequiredHook(
            'MeanTeacherHook',
            'the teacher never moves and its labels are those of its first weights',
        )
        self.running_stats = RunningStats()
        asked = {head.decode_feature for _, head in self.contrast_heads()}
        #: Names of the decode head's inner features that contrast heads ask for.
        self.decode_features = sorted(asked - {None})
        for name in self.decode_features:
            record_input(self.decode_head, name)
            record_input(self.teacher.decode_head, name)

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

    def _check_views(self) -> None:
        branches = [view.branch for view in self.views]
        for branch in branches:
            if branches.count(branch) > 1:
                raise ValueError(
                    f"views names the branch '{branch}' twice: give each view its own."
                )
        if not branches:
            raise ValueError(
                "views is empty: name a branch, such as views=[dict(branch='strong')]."
            )
        if len(branches) > 1 and not len(self.unsup_loss):
            raise ValueError(
                f'views names {branches}, but without unsup_loss nothing is learnt from more than the '
                'first one: add an unsup_loss or leave one view.'
            )
        if self.mixing is not None and self.mixing.moves_targets and self.views[0].mix:
            for _, head in self.contrast_heads():
                for option, instead in head.options_for_teacher().items():
                    raise ValueError(
                        f'{type(head).__name__}({option}) takes the features of the teacher, which sees '
                        f'unmixed images, and {type(self.mixing).__name__} moves the targets: use '
                        f'CrossSetCutMix, or {instead}.'
                    )
        soft = [type(loss).__name__ for loss in self.unsup_loss if loss.needs_probs]
        if soft and self.mixing is not None and self.mixing.drops_probs:
            raise ValueError(
                f'{type(self.mixing).__name__} moves hard labels alone, and {soft[0]} has soft ones: set '
                'hard=True in unsup_loss, or change mixing.'
            )

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

    @property
    def burn_in(self) -> int:
        """Number of iterations on labels alone."""
        return in_iterations(self.semi_train_cfg.burn_in)

    @property
    def burnt_in(self) -> bool:
        """Whether the iterations on labels alone are over."""
        return current_iter() >= self.burn_in

    @property
    def needs_probs(self) -> bool:
        """Whether a loss reads the teacher's probabilities; otherwise no step keeps or mixes them."""
        return any(loss.needs_probs for loss in self.unsup_loss)

    @property
    def branches(self) -> set[str]:
        """Branches of the unlabelled images that the model reads."""
        return {self.semi_train_cfg.teacher_view, *(view.branch for view in self.views)}

    def teacher_ema(self) -> NamedEMA:
        """Pair the teacher's state with the student's, for :class:`MeanTeacherHook`."""
        return NamedEMA(self.teacher, self)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        # A plain checkpoint fills both branches; one with a teacher must survive `before_train`. The
        # teacher of a run with a frozen backbone has none of its own.
        own = f'{prefix}teacher.'
        has_teacher = any(key.startswith(own) for key in state_dict)
        self.teacher_loaded |= has_teacher
        lacking = 'backbone.' if has_teacher else ''
        for name in self.teacher.state_dict():
            if name.startswith(lacking) and prefix + name in state_dict:
                state_dict.setdefault(own + name, state_dict[prefix + name])
        super()._load_from_state_dict(state_dict, prefix, *args)

    # ------------------------------------------------------------------ training

    def _check_unlabeled(self) -> None:
        """Refuse unlabelled images from which nothing can be learnt."""
        self.hook.check()
        if 0 < max_iters() <= self.burn_in:
            raise SetupError(
                f'semi_train_cfg.burn_in={self.semi_train_cfg.burn_in} lasts for all of the '
                f'{max_iters()} iterations, so that no unlabelled image is used: shorten it, give a '
                'share of the training (0.1), or raise train_cfg.max_iters.'
            )
        if not len(self.unsup_loss) and not self.contrast_heads():
            raise SetupError(
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
        log = LossLog(self.running_stats)

        # 1. Read the labelled images. A batch may have none: all that follows also works on 0 images.
        labeled = self._read_labeled(inputs, data_samples)

        # 2. Pseudo-label: the teacher predicts the weak images, the selector says which pixels to trust.
        pseudo = self._pseudo_label(inputs, data_samples, log)
        class_weight = self._weigh_classes(labeled, pseudo, log)

        # 3. Mix: one `Mixed` for each view of the unlabelled images; the first has the labelled ones too.
        mixed = self._mix(labeled, pseudo, inputs)

        # 4. Student: one forward of all images; its outputs are un-mixed, so that they match the targets.
        step = self._run_student(mixed, labeled, pseudo, class_weight)
        if self.selector is not None:
            known = len(step.labeled)
            self.selector.observe(step.logits[:known].detach(), step.labeled.labels)

        # 5. Terms: losses on labels, losses on pseudo-labels for each view, contrast.
        log.add('sup', self.loss_by_gt(step))
        for view in step.views:
            log.add(view.name, *self.loss_by_pseudo(view, class_weight), weight=view.weight)
        for prefix, head, teacher in self._contrast_terms():
            log.add(prefix, *head.loss_by_step(step, teacher))
        return log.losses

    def _read_labeled(self, inputs: dict[str, Tensor], data_samples: dict) -> LabeledImages:
        """Join the labelled images of the target domain and, after them, those of another."""
        present = [name for name in LABELED if name in inputs]
        if not present:
            images = next(iter(inputs.values()))[:0]
            return LabeledImages(images, PixelTargets.ignored(images), [], 0)
        images = _join([inputs[name] for name in present])
        samples = [sample for name in present for sample in data_samples[name]]
        targets = PixelTargets.from_samples(samples, self.decode_head.ignore_index)
        return LabeledImages(images, targets, samples, len(data_samples.get('sup', [])))

    def _pseudo_label(
        self, inputs: dict[str, Tensor], data_samples: dict, log: LossLog
    ) -> PseudoLabels:
        """Label the unlabelled images; in the burn-in, or where the batch has none, return none."""
        branch = self.semi_train_cfg.teacher_view
        if branch in inputs:
            self._check_unlabeled()
        if branch in inputs and self.burnt_in:
            features, targets, stats = self.get_pseudo_labels(inputs[branch], data_samples[branch])
            log.add('unsup', stats=stats)
            return PseudoLabels(targets, features)
        if any(name in inputs for name in LABELED):
            images = next(iter(inputs.values()))[:0]
        else:
            # Unlabelled images alone, in the burn-in: all ignored, so that the losses are 0 with a graph.
            images = inputs[branch]
        return PseudoLabels(
            PixelTargets.ignored(images, self.num_classes if self.needs_probs else None)
        )

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
            tuple: The teacher's features of the images, the selected targets, and statistics to log.
        """
        features, logits = self._run_net(self.teacher, images)
        probs = logits.softmax(1)
        top = top_class(probs)
        valid = PixelTargets.from_samples(samples).weight > 0
        if self.selector is None:
            weight, stats = valid.float(), {}
        else:
            weight, stats = self.selector(probs, top, valid)
        labels = top.labels.masked_fill(~valid, PixelTargets.ignore_index)
        targets = PixelTargets(labels, weight, probs if self.needs_probs else None)
        return features, targets, {**stats, **_coverage(targets, self.num_classes)}

    def _weigh_classes(
        self, labeled: LabeledImages, pseudo: PseudoLabels, log: LossLog
    ) -> Tensor | None:
        """Count the classes before any mixing, and return a factor for each; None weights all equally."""
        known = labeled.targets[: labeled.num_in_domain]
        if len(known) and len(pseudo):
            log.add('sup', stats={'share_per_class': _shares(known, self.num_classes)})
        if self.class_weights is None:
            return None
        weight = self.class_weights(known, pseudo.targets)
        if weight is not None:
            log.add('sup', stats={'class_weight_per_class': weight})
        return weight

    def _mix(
        self, labeled: LabeledImages, pseudo: PseudoLabels, inputs: dict[str, Tensor]
    ) -> list[Mixed]:
        """Mix each view of the unlabelled images; the first one with the labelled images."""
        if not len(pseudo):
            return [Mixed(labeled.images, labeled.targets, pseudo.targets)]
        mixed = []
        for view in self.views:
            known = labeled if not mixed else labeled.none()
            images = _join([known.images, view.images(inputs)])
            if view.mix and self.mixing is not None:
                mixed.append(
                    self.mixing(images, known.targets, pseudo.targets, known.num_in_domain)
                )
            else:
                mixed.append(Mixed(images, known.targets, pseudo.targets))
        return mixed

    def _run_student(
        self,
        mixed: list[Mixed],
        labeled: LabeledImages,
        pseudo: PseudoLabels,
        class_weight: Tensor | None,
    ) -> SemiStep:
        """Run the student once on all images, and bring its outputs into the layout of the targets."""
        features, logits = self._run_net(
            self, _join([each.images for each in mixed]), [len(each.pseudo) for each in mixed]
        )
        # Split by view again: each view is un-mixed in its own way.
        sizes = [len(each.images) for each in mixed]
        aligned = [each.align(part) for each, part in zip(mixed, logits.split(sizes))]
        first = mixed[0]
        views = []
        if len(pseudo) and len(self.unsup_loss):
            outputs = [aligned[0][len(labeled) :], *aligned[1:]]
            views = [
                StudentOutput(self._prefix(view), output, each.pseudo, view.weight)
                for view, output, each in zip(self.views, outputs, mixed)
            ]
        # Once the mixing has moved the targets, samples and teacher features from before it no longer match.
        moved = first.moved
        return SemiStep(
            student=features if len(mixed) == 1 else features[: sizes[0]],
            labeled=first.labeled,
            pseudo=first.pseudo,
            num_in_domain=labeled.num_in_domain,
            samples=first.labeled.to_samples() if moved else labeled.samples,
            logits=aligned[0],
            views=views,
            teacher=None if moved else pseudo.features,
            teacher_labeled=self._show_teacher(
                first.images[: len(labeled)] if moved else labeled.images
            ),
            class_weight=class_weight,
            align=first.align,
        )

    @torch.no_grad()
    def _show_teacher(self, labeled: Tensor) -> Features | None:
        """Return the teacher's features of the labelled images, where a contrast head asks for them."""
        asked = any(head.needs_teacher_on_labeled for _, head in self.contrast_heads())
        if not (asked and self.burnt_in and len(labeled)):
            return None
        return self._run_net(self.teacher, labeled)[0]

    def _contrast_terms(self) -> Iterator[tuple[str, ContrastHead, ContrastHead]]:
        """Yield the prefix of each contrastive term, its head, and the teacher's copy of that."""
        heads, teachers = self.contrast_heads(), self.contrast_heads(teacher=True)
        for (name, head), (_, teacher) in zip(heads, teachers):
            yield 'contrast' if len(heads) == 1 else f'contrast.{name}', head, teacher

    def loss_by_gt(self, step: SemiStep) -> dict[str, Tensor]:
        """Compute the supervised losses of the decode head and the ordinary auxiliary heads.

        Args:
            step (SemiStep): The step.
        """
        size, number = step.logits.shape[2:], len(step.labeled)
        outputs = {'decode': (self.decode_head, step.logits)}
        for name, head in self._auxiliary():
            if not isinstance(head, ContrastHead):
                low = self._logits(head, step.student.stages)
                outputs[name] = (head, step.align(self._upsample(head, low, size)))
        losses: dict[str, Tensor] = {}
        for name, (head, output) in outputs.items():
            if number:
                own = supervised_losses(head, output[:number], step.samples, step.class_weight)
            else:
                own = {'loss_none': output.sum() * 0}
            losses.update(add_prefix(own, name))
        return losses

    def loss_by_pseudo(
        self, view: StudentOutput, class_weight: Tensor | None = None
    ) -> tuple[dict[str, Tensor], Stats]:
        """Compute the losses of one view on the pseudo-labels, before the view's weight.

        Args:
            view (StudentOutput): The student's output and its targets.
            class_weight (Tensor, optional): Factor of each class, (C,).

        Returns:
            tuple[dict, dict]: Losses, and statistics to log.
        """
        losses: dict[str, Tensor] = {}
        stats: Stats = {}
        for term in self.unsup_loss:
            own_losses, own_stats = term(view.logits, view.targets, class_weight)
            losses.update(own_losses)
            stats.update(own_stats)
        return losses, stats

    def _prefix(self, view: StudentView) -> str:
        """Return the prefix of a view's losses; a single view needs no name of its own."""
        return 'unsup' if len(self.views) == 1 else f'unsup.{view.branch}'

    def student_features(self, images: Tensor) -> Features:
        """Return what the contrast heads see of images, without augmentation or mixing.

        Args:
            images (Tensor): Preprocessed images of shape (B, 3, H, W).
        """
        return self._run_net(self, images)[0]

    def _run_net(
        self, net: EncoderDecoder, images: Tensor, views: Sequence[int] = ()
    ) -> tuple[Features, Tensor]:
        """Return the features that a net, student or teacher, has of images, and its full-size logits.

        ``views`` holds the number of images of each view to perturb; these come last in the batch.
        """
        stages = self.perturbation(net.extract_feat(images), views)
        head = net.decode_head
        low = self._logits(head, stages)
        features = Features(stages, take_inputs(head, self.decode_features), low)
        return features, self._upsample(head, low, images.shape[2:])

    @staticmethod
    def _logits(head: nn.Module, stages: Any) -> Tensor:
        logits = head.forward(stages)
        if not isinstance(logits, Tensor):
            raise SetupError(
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

    @contextmanager
    def predict_with(self, branch: str) -> Iterator[None]:
        """Predict with one of the two nets while the context lasts, whatever ``predict_on`` says.

        Args:
            branch (str): ``'student'`` or ``'teacher'``.

        Raises:
            ValueError: If there is no such branch.
        """
        _check_branch(branch, 'predict_with: branch')
        chosen, self.predict_on = self.predict_on, branch
        try:
            yield
        finally:
            self.predict_on = chosen

    def predict(self, inputs: Tensor, data_samples: Any = None) -> Samples:
        """Predict with the branch that ``semi_test_cfg.predict_on`` names, as MMSeg does."""
        if self.predict_on == 'teacher':
            return self.teacher.predict(inputs, data_samples)
        return super().predict(inputs, data_samples)

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> Tensor:
        net = self.teacher if self.predict_on == 'teacher' else self
        return net.decode_head.forward(net.extract_feat(inputs))


def _join(images: list[Tensor]) -> Tensor:
    # Without a copy of what is alone.
    present = [part for part in images if len(part)] or images[:1]
    return present[0] if len(present) == 1 else torch.cat(present)


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
    teacher_view: str = 'weak',
    teacher_norm: str = 'running',
    **unknown: Any,
) -> ConfigDict:
    if unknown:
        raise ValueError(
            f"semi_train_cfg.{next(iter(unknown))} is unknown: use 'burn_in', 'teacher_view' and "
            "'teacher_norm'."
        )
    check_length(burn_in, 'semi_train_cfg.burn_in')
    if teacher_norm not in TEACHER_NORMS:
        raise ValueError(
            f"semi_train_cfg.teacher_norm='{teacher_norm}' is unknown: use one of {TEACHER_NORMS}."
        )
    return ConfigDict(burn_in=burn_in, teacher_view=teacher_view, teacher_norm=teacher_norm)


def _read_test_cfg(predict_on: str = 'student', **unknown: Any) -> str:
    if unknown:
        raise ValueError(f"semi_test_cfg.{next(iter(unknown))} is unknown: use 'predict_on'.")
    return _check_branch(predict_on, 'semi_test_cfg.predict_on')


def _check_branch(branch: str, name: str) -> str:
    if branch not in BRANCHES:
        raise ValueError(f"{name}='{branch}' is unknown: use one of {BRANCHES}.")
    return branch


def _coverage(targets: PixelTargets, num_classes: int) -> Stats:
    # Share of valid pixels that are selected: over all, and over those predicted as each class.
    seen = count_classes(targets.labels, num_classes, targets.ignore_index)
    kept = count_classes(targets.accepted_labels, num_classes, targets.ignore_index)
    return {
        'coverage': Ratio(kept.sum(), seen.sum()),
        'coverage_per_class': Ratio(kept, seen),
        'share_per_class': _shares(targets, num_classes),
    }


def _shares(targets: PixelTargets, num_classes: int) -> Ratio:
    counts = count_classes(targets.labels, num_classes, targets.ignore_index)
    return Ratio(counts, counts.sum().expand_as(counts))
