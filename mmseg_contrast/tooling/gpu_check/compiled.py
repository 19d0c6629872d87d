"""Whether a compiled training step is the step."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import torch
from mmengine.config import Config

from ..training_step import TrainingStep, at_the_end, random_batch
from .check import CheckFailed, Said, Settings
from .precision import tf32

TOLERANCE = 1e-3


def check_compiled(cfg: Config, settings: Settings) -> Said:
    """Compare loss and gradients of a step of the student with those of ``torch.compile``.

    Args:
        cfg (Config): The config.
        settings (Settings): Where; the CPU of a dry run traces and generates no code.

    Raises:
        CheckFailed: If one differs by more than 1e-3.
    """
    with tf32(False):
        return at_the_end(cfg.train_cfg.max_iters, partial(_compare, cfg, settings))


def _compare(cfg: Config, settings: Settings) -> Said:
    torch.manual_seed(0)
    step = TrainingStep(cfg, random_batch(cfg, 2, 2), settings.device)
    data, model = step.prepare(), step.model
    state = {name: value.clone() for name, value in model.state_dict().items()}

    def loss_and_gradient(run: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
        model.load_state_dict(state)
        model.zero_grad()
        torch.manual_seed(1)
        loss, _ = model.parse_losses(run(**data, mode='loss'))
        loss.backward()
        grads = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        return loss.detach(), torch.cat(grads)

    expected, gradient = loss_and_gradient(model)
    try:
        with ExitStack() as stack:
            if settings.dry:
                compiled = torch.compile(model, backend='eager')
            else:
                # else compiled code draws other random numbers
                stack.enter_context(torch._inductor.config.patch(fallback_random=True))
                compiled = torch.compile(model)
            found, other = loss_and_gradient(compiled)
    finally:
        torch.compiler.reset()
    difference = float(abs(found / expected - 1))
    of_gradient = float((other - gradient).norm() / gradient.norm())
    figures = [{'what': 'step', 'loss': difference, 'gradient': of_gradient}]
    said = f'loss {difference:.1e}, gradient {of_gradient:.1e} apart from the eager step'
    if not (difference <= TOLERANCE and of_gradient <= TOLERANCE):
        raise CheckFailed(f'{said}; {TOLERANCE:g} is allowed', figures)
    return Said(said, figures)
