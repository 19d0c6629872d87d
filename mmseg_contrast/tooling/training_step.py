"""The training step of a config on random images, as the measuring tools run it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from ..models.decode_heads import ContrastHead
from ..models.memory import ClassMemoryBank
from ..models.segmentors import ContrastivePretrainer, SemiSupervisedSegmentor
from . import overrides
from .checkpoint import without_initial_weights
from .cli import require_keys

T = TypeVar('T')


class TrainingStep:
    """The training step of a config, on one batch of random images.

    Args:
        cfg (Config): The config.
        batch (dict): Images and data samples, as from :func:`random_batch`.
        device (str): Where it runs.
    """

    def __init__(self, cfg: Config, batch: dict, device: str) -> None:
        self.model = MODELS.build(cfg.model).to(device).train()
        self.batch = batch
        self.optim = build_optim_wrapper(self.model, cfg.optim_wrapper)
        self.ema = None
        if isinstance(self.model, SemiSupervisedSegmentor):
            self.ema = self.model.teacher_ema()
            self.ema.copy()
            weights = self.model.class_weights
            if weights is not None and weights.needs_sizes:
                weights.set_sizes(1, 1)  # the sizes of the sets do not change the time
        self.banks = [m for m in self.model.modules() if isinstance(m, ClassMemoryBank)]
        for bank in self.banks:
            rows = torch.randn_like(bank.rows)
            full = torch.ones(rows.shape[:2], dtype=torch.bool, device=rows.device)
            bank.enqueue(torch.nn.functional.normalize(rows, dim=2), full)

    def whole(self) -> Tensor:
        """Do what an iteration does, hooks included; return the loss."""
        return self.on_device(self.prepare())

    def prepare(self) -> dict:
        """Move the batch to the device, normalise and stack it."""
        return self.model.data_preprocessor(self.batch, True)

    def on_device(self, data: dict) -> Tensor:
        """Do what an iteration does with a batch that is on the device; return the loss.

        Args:
            data (dict): As from :meth:`prepare`.
        """
        with self.optim.optim_context(self.model):
            loss, _ = self.model.parse_losses(self.model(**data, mode='loss'))
        self.optim.update_params(loss)
        for bank in self.banks:
            bank.commit()
        self.average()
        return loss.detach()

    def average(self) -> None:
        """Update the teacher, if there is one."""
        if self.ema is not None:
            self.ema.update(0.01)

    def shapes(self) -> tuple[torch.Size, torch.Size]:
        """Return the shapes of the images that the student and the teacher see in a step."""
        seen: dict[str, torch.Size] = {}

        def remember(name: str, _: nn.Module, args: tuple[Tensor]) -> None:
            seen[name] = args[0].shape

        hooks = [
            branch.backbone.register_forward_pre_hook(partial(remember, name))
            for name, branch in (('student', self.model), ('teacher', self.model.teacher))
        ]
        self.whole()
        for hook in hooks:
            hook.remove()
        return seen['student'], seen['teacher']


def plain_step(step: TrainingStep) -> Callable[[], None]:
    """Return the least that a semi-supervised step needs: the student's loss, the teacher's logits.

    Args:
        step (TrainingStep): Gives the networks, without contrast heads, and the sizes.
    """
    student_shape, teacher_shape = step.shapes()
    model, device = step.model, next(step.model.parameters()).device
    images, weak = torch.randn(student_shape, device=device), torch.randn(teacher_shape).to(device)
    samples = [_sample(_labels(student_shape[2:], model.num_classes)) for _ in images]
    samples = [sample.to(device) for sample in samples]

    def run() -> None:
        with step.optim.optim_context(model):
            with torch.no_grad():
                model.teacher.encode_decode(weak, [{'img_shape': weak.shape[2:]}] * len(weak))
            losses, _ = model.parse_losses(model.loss(images, samples))
        step.optim.update_params(losses)

    return run


def random_batch(cfg: Config, labeled: int, unlabeled: int) -> dict:
    """Make a batch as the dataloader gives it.

    Args:
        cfg (Config): Gives the model, which says what branches there are, the size of the images and the
            number of classes.
        labeled (int): Number of labelled images.
        unlabeled (int): Number of unlabelled images.
    """
    size = cfg.model.data_preprocessor.size
    classes = cfg.model.decode_head.num_classes
    numbers = {'sup': labeled}
    if is_a(cfg, SemiSupervisedSegmentor):
        views = [view['branch'] for view in cfg.model.get('views') or []]
        numbers |= dict.fromkeys(['weak', 'strong', *views], unlabeled)
    elif is_a(cfg, ContrastivePretrainer):
        numbers |= {'distorted': labeled}
    inputs, samples = {}, {}
    for branch, number in numbers.items():
        inputs[branch] = [torch.randint(256, (3, *size), dtype=torch.uint8) for _ in range(number)]
        valid = torch.zeros(size, dtype=torch.long)
        samples[branch] = [
            _sample(_labels(size, classes) if branch == 'sup' else valid) for _ in range(number)
        ]
    if len(numbers) == 1:
        inputs, samples = inputs['sup'], samples['sup']
    return {'inputs': inputs, 'data_samples': samples}


def is_a(cfg: Config, kind: type) -> bool:
    """Return whether the model of a config is of a class.

    Args:
        cfg (Config): The config.
        kind (type): The class.
    """
    return issubclass(MODELS.get(cfg.model.type), kind)


def _sample(labels: Tensor) -> SegDataSample:
    return SegDataSample(
        gt_sem_seg=PixelData(data=labels[None]), metainfo={'img_shape': tuple(labels.shape)}
    )


def _labels(size: tuple[int, int], classes: int) -> Tensor:
    blocks = torch.randint(classes, (1, 1, 8, 8)).float()
    return torch.nn.functional.interpolate(blocks, tuple(size))[0, 0].long()


def without_contrast(cfg: Config) -> Config | None:
    """Return a config of the same step without contrast heads; None where it has none.

    Args:
        cfg (Config): The config; it stays as it is.
    """
    cfg = copy.deepcopy(cfg)
    heads = cfg.model.get('auxiliary_head') or []
    heads = heads if isinstance(heads, list) else [heads]
    kept = [head for head in heads if not issubclass(MODELS.get(head['type']), ContrastHead)]
    if len(kept) == len(heads):
        return None
    cfg.model.auxiliary_head = kept or None
    return cfg


def images_of_a_step(cfg: Config, wanted: list[int] | None = None) -> tuple[int, int]:
    """Return how many labelled and unlabelled images a config trains on in a step.

    Args:
        cfg (Config): The config.
        wanted (list[int], optional): Other numbers than its own; without unlabelled data only the first
            counts.

    Raises:
        ValueError: If a semi-supervised one does not say how many are unlabelled.
    """
    loader = cfg.train_dataloader
    if not is_a(cfg, SemiSupervisedSegmentor):
        return (wanted[0] if wanted else loader.batch_size), 0
    if wanted:
        return tuple(wanted)
    ratio = (loader.get('sampler') or {}).get('source_ratio')
    if not ratio or len(ratio) != 2:
        raise ValueError('the config does not mix two sources: say how many by --images')
    labeled, unlabeled = (round(loader.batch_size * share / sum(ratio)) for share in ratio)
    return labeled, unlabeled


def at_the_end(max_iters: int, work: Callable[[], T]) -> T:
    """Return what work returns in the last iteration of a run, after burn-in and ramps.

    Args:
        max_iters (int): Number of iterations of the run.
        work (Callable): What is done.
    """
    hub = MessageHub.get_current_instance()
    hub.update_info('max_iters', max_iters)
    hub.update_info('iter', max_iters - 1)
    return work()


def read_config(path: str, changes: dict) -> Config:
    """Read a config whose model can be built without weights.

    Args:
        path (str): The file.
        changes (dict): Changes of it, by dotted keys.

    Raises:
        KeyError: If nothing has a changed key.
        ValueError: If a change does nothing, or its value does not fit.
    """
    cfg = overrides.read_config(path, changes)
    require_keys(cfg, 'model', 'train_dataloader', 'train_cfg', 'optim_wrapper')
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    # weights do not change the time, and may not be at hand
    cfg.model = without_initial_weights(cfg.model)
    return cfg
