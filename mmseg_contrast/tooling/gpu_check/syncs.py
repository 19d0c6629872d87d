"""Whether a training step makes the host wait for the card."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config

from ..package_files import PACKAGE
from ..training_step import TrainingStep, at_the_end, random_batch
from .check import CheckFailed, Said, Settings

WAITS = 'called a synchronizing'
TORCH = str(Path(torch.__file__).parent)


def check_syncs(cfg: Config, settings: Settings) -> Said:
    """Do a step under ``torch.cuda.set_sync_debug_mode('error')``.

    Watched are forward and backward pass, optimiser, bank and teacher. The move of the batch to the card
    before them waits by its nature.

    Args:
        cfg (Config): The config; in float32, since the scaler of float16 reads its checks by design.
        settings (Settings): Where.

    Raises:
        CheckFailed: If it waits, with all places. A plain ``EncoderDecoder`` may wait in MMSegmentation.
    """
    torch.manual_seed(0)
    batch, end = random_batch(cfg, 2, 2), cfg.train_cfg.max_iters
    step = at_the_end(end, partial(TrainingStep, cfg, batch, settings.device))
    for _ in range(2):  # warm-up
        at_the_end(end, step.whole)
    data = step.prepare()
    step_alone = partial(at_the_end, end, partial(step.on_device, data))
    if settings.dry:
        step_alone()
        return Said('the step runs; nothing waits for a CPU')
    torch.cuda.synchronize()
    places = waiting_places(step_alone)
    own = [place for place in places if place.startswith(str(PACKAGE))]
    if own or (places and cfg.model.type != 'EncoderDecoder'):
        raise CheckFailed(f'the step waits for the card at {", ".join(own or places)}')
    if places:
        return Said(f'the step waits in MMSegmentation alone: {", ".join(places)}')
    return Said('no step waits for the card')


def waiting_places(
    work: Callable[[], object], set_mode: Callable[[str], None] | None = None
) -> list[str]:
    """Return the places, ``file:line``, at which work makes the host wait for the card.

    Args:
        work (Callable): What is called; once, or once more where it waits.
        set_mode (Callable, optional): Takes ``'error'``, ``'warn'`` or ``'default'``. Defaults to
            ``torch.cuda.set_sync_debug_mode``.
    """
    set_mode = set_mode or torch.cuda.set_sync_debug_mode
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        try:
            set_mode('error')
            work()
            return []
        except RuntimeError as error:
            if WAITS not in str(error):
                raise
            first = _place(error)
        finally:
            set_mode('default')
        try:
            set_mode('warn')
            work()
        finally:
            set_mode('default')
    more = [f'{w.filename}:{w.lineno}' for w in caught if WAITS in str(w.message)]
    return list(dict.fromkeys([first, *more]))


def _place(error: RuntimeError) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    outside = [frame for frame in frames if not frame.filename.startswith(TORCH)]
    frame = (outside or frames)[-1]
    return f'{frame.filename}:{frame.lineno}'
