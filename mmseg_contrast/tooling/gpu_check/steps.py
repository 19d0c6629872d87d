"""How long the training step of a method takes, what it launches and what memory it needs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from mmengine.config import Config

from ..measure import measure_in_turns, seconds
from ..training_step import (
    TrainingStep,
    at_the_end,
    images_of_a_step,
    random_batch,
    without_contrast,
)
from .check import CheckFailed, Figure, Said, Settings
from .memory import free_memory, halve_until_it_fits
from .precision import PRECISIONS, in_precision, tf32

#: Share of a step that all work for the contrast should stay below.
GOAL = 0.05
_LAUNCHES = ('cudaLaunch', 'cuLaunch', 'hipLaunch', 'hipExtLaunch')


def measure_method(cfg: Config, settings: Settings) -> Said:
    """Measure the step of a config in each precision, with and without its contrast.

    Args:
        cfg (Config): The config; its batch is halved until it fits into the memory.
        settings (Settings): Where and how often.

    Raises:
        CheckFailed: If a loss is not finite.
    """
    images, figures = images_of_a_step(cfg), []
    if settings.dry:
        images = (2, 2 if images[1] else 0)
    for precision in ('float32',) if settings.dry else PRECISIONS:
        if figures and settings.seconds_left <= 0:
            break
        work = partial(measure_step, in_precision(copy.deepcopy(cfg), precision), settings)
        with tf32(precision == 'tf32'):
            fitting, figure = halve_until_it_fits(images, work)
        free_memory()
        figures.append(
            {
                'what': precision,
                'labeled': fitting[0],
                'unlabeled': fitting[1],
                'halved': fitting != images,
                **figure,
            }
        )
    wrong = [figure['what'] for figure in figures if not figure.pop('finite')]
    if wrong:
        raise CheckFailed(f'the loss is not finite in {" and ".join(wrong)}', figures)
    return Said(describe(figures, settings.dry), figures)


def measure_step(cfg: Config, settings: Settings, images: tuple[int, int]) -> dict[str, Any]:
    """Measure the step of a config on as many images.

    Args:
        cfg (Config): The config.
        settings (Settings): Where and how often.
        images (tuple[int, int]): Numbers of labelled and unlabelled images.

    Returns:
        dict[str, Any]: Size, time in ms, launches, and peak of the memory in MiB, weights included. Each
        of a dry run's figures is None.
    """
    torch.manual_seed(0)
    device, end = settings.device, cfg.train_cfg.max_iters
    batch = random_batch(cfg, *images)
    step = at_the_end(end, partial(TrainingStep, cfg, batch, device))
    whole = partial(at_the_end, end, step.whole)
    losses = [whole()]  # makes the state of the optimiser, and picks algorithms
    if device == 'cuda':
        torch.cuda.reset_peak_memory_stats()
    losses.append(whole())
    peak = torch.cuda.max_memory_allocated() / 2**20 if device == 'cuda' else None
    works: dict[str, Callable[[], Any]] = {'': whole}
    bare = without_contrast(cfg)
    if bare is not None:
        bare_step = at_the_end(end, partial(TrainingStep, bare, batch, device))
        works['_without_contrast'] = partial(at_the_end, end, bare_step.whole)
        works['_without_contrast']()
    height, width = cfg.model.data_preprocessor.size
    found = {
        'height': height,
        'width': width,
        'finite': bool(torch.stack(losses).isfinite().all()),
        'peak_mib': None if peak is None else round(peak, 1),
    }
    if settings.dry:
        return found | dict.fromkeys(
            [f'{kind}{name}' for kind in ('ms', 'launches') for name in works]
        )
    # A slow step is not measured for longer than a tenth of the time.
    affordable = int(0.1 * settings.seconds / (3 * seconds(whole, device) * len(works)))
    times = measure_in_turns(works, device, max(1, min(settings.repeats, affordable)))
    for name, work in works.items():
        found[f'ms{name}'] = round(times[name][0], 2)
        found[f'launches{name}'] = launches(work)
    if bare is not None:
        found['contrast_share'] = round(1 - found['ms_without_contrast'] / found['ms'], 4)
    return found


def launches(work: Callable[[], object]) -> int | None:
    """Count the kernels that a call launches; None where the profiler sees none.

    Args:
        work (Callable): What is called.
    """
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profiler:
        work()
        torch.cuda.synchronize()
    return count_launches(e.name() for e in profiler.profiler.kineto_results.events()) or None


def count_launches(names: Iterable[str]) -> int:
    """Count the launches among the events of a profile.

    Args:
        names (Iterable[str]): Names of the events.
    """
    return sum(name.startswith(_LAUNCHES) for name in names)


def describe(figures: list[dict[str, Figure]], dry: bool) -> str:
    """Say the most important figures in one sentence.

    Args:
        figures (list[dict]): Of each precision.
        dry (bool): Whether there are none.
    """
    first = figures[0]
    size = (
        f'{first["labeled"]} + {first["unlabeled"]} images of {first["height"]}x{first["width"]}'
        f'{", fewer than the paper" if first["halved"] else ""}'
    )
    if dry:
        return f'runs with {size}; nothing is measured without a card'
    times = ', '.join(f'{figure["what"]} {figure["ms"]:.0f} ms' for figure in figures)
    shares = [figure['contrast_share'] for figure in figures if 'contrast_share' in figure]
    said = f'{size}: {times}'
    if shares:
        goal = 'within' if max(shares) <= GOAL else 'above'
        said += (
            f'; contrast at most {100 * max(shares):.1f} %, {goal} the goal of {100 * GOAL:.0f} %'
        )
    return said
