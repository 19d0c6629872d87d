"""Whether a card computes what the CPU computes: losses, gradients, selections and banks."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import Tensor

from ...models import device as model_device
from ...models.decode_heads.class_selectors import ClassSelectors
from ...models.losses import class_bank_contrast, grouped_contrast, supervised_contrast
from ...models.memory import ClassMemoryBank
from ...models.sampling.class_groups import top_per_class
from ...models.selectors import DynamicConfidentRegionSelection
from ...models.selectors.top_class import top_class
from ..training_step import TrainingStep, at_the_end, random_batch
from .check import CheckFailed, Figure, Said, Settings
from .host_random import HostRandom
from .precision import tf32

#: Largest relative difference of a loss, and of a gradient in the Euclidean norm.
LOSS, GRADIENT = 1e-4, 1e-3
CLASSES = 19


@dataclass(frozen=True)
class Computed:
    """What is compared.

    Attributes:
        losses (dict[str, Tensor]): Losses and other values, by name.
        gradients (dict[str, Tensor]): Gradients, by the name of what they belong to.
    """

    losses: dict[str, Tensor]
    gradients: dict[str, Tensor]


def compare(name: str, on_cpu: Computed, on_card: Computed) -> Figure:
    """Return by how much the card differs from the CPU.

    Args:
        name (str): Name of the figure.
        on_cpu (Computed): What is right.
        on_card (Computed): What is compared with it.
    """
    pairs = {
        'loss': (on_cpu.losses, on_card.losses),
        'gradient': (on_cpu.gradients, on_card.gradients),
    }
    figure: dict[str, str | float] = {'what': name}
    for kind, (expected, found) in pairs.items():
        values = [_apart(value, found[key]) for key, value in expected.items()]
        figure[kind] = max(values, default=0.0)
    return figure


def _apart(expected: Tensor, found: Tensor) -> float:
    expected, found = expected.detach().double().cpu(), found.detach().double().cpu()
    if expected.shape != found.shape or not found.isfinite().all():
        return float('inf')
    # Where a value is 0 but for rounding, there is nothing to be relative to.
    return float((found - expected).norm() / expected.norm().clamp(min=1e-6))


def judge(figures: Sequence[Figure]) -> Said:
    """Say whether all figures are within the tolerances.

    Args:
        figures (Sequence[Figure]): From :func:`compare`.

    Raises:
        CheckFailed: If one is not, with its name.
    """
    wrong = [f for f in figures if not (f['loss'] <= LOSS and f['gradient'] <= GRADIENT)]
    loss, gradient = (max(f[kind] for f in figures) for kind in ('loss', 'gradient'))
    said = f'loss {loss:.1e}, gradient {gradient:.1e} apart from the CPU'
    if wrong:
        names = ', '.join(str(figure['what']) for figure in wrong)
        raise CheckFailed(f'{said}; {LOSS:g} and {GRADIENT:g} are allowed: {names}', figures)
    return Said(said, figures)


# ------------------------------------------------------------------ kernels


def _labels(*shape: int) -> Tensor:
    return torch.randint(CLASSES + 1, shape)  # the last of them counts as ignored


def _unit(*shape: int) -> Tensor:
    return F.normalize(torch.randn(shape), dim=-1)


def within(size: int) -> tuple[list[Tensor], Callable[..., dict[str, Tensor]]]:
    """All pixels of each image with each other."""

    def run(x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        found = {}
        for own in (True, False):
            loss, count = supervised_contrast(
                x, None, labels, None, 0.07, CLASSES, include_self=own
            )
            found |= {f'loss {own}': loss, f'count {own}': count}
        return found

    return [_unit(2, size, 64), _labels(2, size)], run


def between(size: int) -> tuple[list[Tensor], Callable[..., dict[str, Tensor]]]:
    """Anchors with keys of other pixels."""

    def run(x: Tensor, labels: Tensor, keys: Tensor, key_labels: Tensor) -> dict[str, Tensor]:
        loss, count = supervised_contrast(x, keys, labels, key_labels, 0.07, CLASSES)
        return {'loss': loss, 'count': count}

    return [_unit(2, size, 64), _labels(2, size), _unit(2, 2 * size, 64), _labels(2, 2 * size)], run


def grouped(size: int) -> tuple[list[Tensor], Callable[..., dict[str, Tensor]]]:
    """Sampled anchors with keys at their positions, as in C3-SemiSeg."""
    per_class = max(2, size // CLASSES)

    def run(x: Tensor, keys: Tensor, mask: Tensor) -> dict[str, Tensor]:
        loss, *counts = grouped_contrast(x, keys, mask, mask, 0.1)
        return {'loss': loss} | {f'count {i}': count for i, count in enumerate(counts)}

    mask = torch.rand(CLASSES, per_class) < 0.8
    return [_unit(CLASSES, per_class, 64), _unit(CLASSES, per_class, 64), mask], run


def with_bank(size: int) -> tuple[list[Tensor], Callable[..., dict[str, Tensor]]]:
    """Sampled anchors with the best rows of a bank, as in CSC."""
    per_class = max(2, size // CLASSES)

    def run(x: Tensor, mask: Tensor, bank: Tensor, filled: Tensor) -> dict[str, Tensor]:
        loss, *counts = grouped_contrast(
            x, x, mask, mask, 0.1, bank=bank, bank_mask=filled, own_offset=0, top_n=1
        )
        return {'loss': loss} | {f'count {i}': count for i, count in enumerate(counts)}

    mask, filled = torch.rand(CLASSES, per_class) < 0.8, torch.rand(CLASSES, 2 * per_class) < 0.9
    bank = _unit(CLASSES, 2 * per_class, 64)
    return [_unit(CLASSES, per_class, 64), mask, bank, filled], run


def class_bank(size: int) -> tuple[list[Tensor], Callable[..., dict[str, Tensor]]]:
    """Pixels with the rows of their class and the attention of both, as in the class-wise memory bank."""
    modules = [ClassSelectors(CLASSES, 64) for _ in range(2)]

    def run(x: Tensor, rows: Tensor, labels: Tensor, valid: Tensor) -> dict[str, Tensor]:
        pixels, memory = (copy.deepcopy(module).to(x.device) for module in modules)
        vectors = x.detach().transpose(1, 2).flatten(0, 1)
        scores = pixels.score_rows(vectors, labels.flatten()).view_as(labels)
        row_scores = memory.score_bank(F.normalize(rows, dim=2), valid)
        loss = class_bank_contrast(x, labels, rows, valid, scores, row_scores)[0]
        return {'loss': loss}

    labels = torch.randint(CLASSES, (2, size))
    valid = torch.rand(CLASSES, 16) < 0.9
    return [torch.randn(2, 64, size), torch.randn(CLASSES, 16, 64), labels, valid], run


def bank_update(size: int) -> tuple[list[Tensor], Callable[..., dict[str, Tensor]]]:
    """The best vectors of each class into its queue."""

    def run(x: Tensor, labels: Tensor, scores: Tensor) -> dict[str, Tensor]:
        bank = ClassMemoryBank(CLASSES, 16, 64).to(x.device)
        for _ in range(3):
            index, mask = top_per_class(labels, scores, CLASSES, 6)
            bank.enqueue(x.detach()[index], mask, scores[index], 6)
            bank.commit()
        kept = bank.rows * bank.valid.unsqueeze(2)
        return {'rows': kept, 'valid': bank.valid.float(), 'loss': (x * 1.0).sum()}

    return [torch.randn(size, 64), _labels(size), torch.rand(size)], run


def thresholds(size: int) -> tuple[list[Tensor], Callable[..., dict[str, Tensor]]]:
    """Thresholds of Dynamic Confident Region Selection and the pixels above them."""

    def run(logits: Tensor, valid: Tensor) -> dict[str, Tensor]:
        selector = DynamicConfidentRegionSelection(CLASSES, initial=0.3).to(logits.device)
        probs = logits.detach().softmax(1)
        weight, _ = selector(probs, top_class(probs), valid)
        # a pixel at the threshold may fall on either side
        return {'kept': weight.mean(), 'thresholds': selector.thresholds, 'loss': logits.sum()}

    return [2 * torch.randn(2, CLASSES, size, 16), torch.rand(2, size, 16) < 0.9], run


KERNELS = {
    function.__name__: function
    for function in (within, between, grouped, with_bank, class_bank, bank_update, thresholds)
}


def check_kernel(name: str, settings: Settings) -> Said:
    """Compare one of :data:`KERNELS` on the card with the CPU.

    Args:
        name (str): Its name.
        settings (Settings): Where.

    Raises:
        CheckFailed: If it differs.
    """
    figures = []
    with tf32(False):
        for size in (60,) if settings.dry else (60, 2000):
            torch.manual_seed(size)
            inputs, run = KERNELS[name](size)
            results = []
            for device in ('cpu', settings.device):
                moved = [x.clone().to(device) for x in inputs]
                leaf = moved[0].requires_grad_()
                values = run(*moved)
                total = (
                    values['loss']
                    if 'loss' in values
                    else values['loss True'] + values['loss False']
                )
                (gradient,) = torch.autograd.grad(total.sum(), leaf)
                results.append(Computed(values, {'inputs': gradient}))
            figures.append(compare(f'{name} {size}', *results))
    return judge(figures)


# ------------------------------------------------------------------ steps


@contextmanager
def as_on_a_card() -> Iterator[None]:
    """Let a CPU go the ways of a card, on which shapes do not depend on values."""
    before = model_device.FREE_DEVICES
    model_device.FREE_DEVICES = frozenset()
    try:
        yield
    finally:
        model_device.FREE_DEVICES = before


def compute_step(cfg: Config, device: str) -> Computed:
    """Return losses and gradients of a step, from seeds that make it the same on each device.

    Args:
        cfg (Config): The config.
        device (str): Where it runs.
    """
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    with tf32(False), as_on_a_card(), HostRandom():
        batch = random_batch(cfg, 2, 2)
        step = TrainingStep(cfg, batch, device)
        losses = step.model(**step.prepare(), mode='loss')
        loss, logs = step.model.parse_losses(losses)
        loss.backward()
    gradients: dict[str, list[Tensor]] = {}
    for name, parameter in step.model.named_parameters():
        if parameter.grad is not None:
            part = '.'.join(name.split('.')[: 2 if name.startswith('auxiliary') else 1])
            gradients.setdefault(part, []).append(parameter.grad.flatten())
    kept = {name: value for name, value in logs.items() if 'loss' in name}
    return Computed(kept, {part: torch.cat(grads) for part, grads in gradients.items()})


def check_step(cfg: Config, settings: Settings) -> Said:
    """Compare the step of a method on the card with the CPU, in float32.

    Args:
        cfg (Config): The config of a small net.
        settings (Settings): Where.

    Raises:
        CheckFailed: If it differs.
    """
    end = cfg.train_cfg.max_iters
    results = [
        at_the_end(end, partial(compute_step, cfg, device)) for device in ('cpu', settings.device)
    ]
    return judge([compare('step', *results)])
