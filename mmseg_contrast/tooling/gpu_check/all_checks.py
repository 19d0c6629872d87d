"""The list of all checks, the most important ones first."""

from __future__ import annotations

import importlib.util
from functools import partial

from mmengine.config import Config

from .check import Check, CheckSkipped, Said, Settings
from .compiled import check_compiled
from .kernels import check_case, tune_tiles
from .methods import METHODS, Method, compose
from .processes import check_processes
from .same_on_cpu import KERNELS, check_kernel, check_step
from .steps import measure_method
from .syncs import check_syncs

#: Width, heads, channels of the head and of its four stages, of DINOv2 and of a net for dry runs.
VITS = {'small': (384, 6, 64), 'base': (768, 12, 128)}
DRY_VIT = (48, 3, 16)
CASES = ('within_image', 'batch', 'c3semiseg', 'csc', 'memory_bank', 'bank_update', 'thresholds')
SYNC_SIZE = (256, 256)


def all_checks(tune: bool = False) -> list[Check]:
    """Return all checks.

    Args:
        tune (bool): Whether to try tiles of other sizes too.
    """
    checks = [Check(f'same/{name}', partial(check_kernel, name)) for name in KERNELS]
    checks += [Check(f'same/{method.name}', partial(_same, method)) for method in METHODS]
    checks += [Check(f'syncs/{method.name}', partial(_syncs, method)) for method in METHODS]
    checks += [Check('processes', check_processes)]
    checks += [Check(f'step/{method.name}', partial(_step, method)) for method in METHODS]
    checks += [Check(f'kernel/{name}', partial(check_case, name)) for name in CASES]
    for size in VITS:
        for frozen in (True, False):
            name = f'dinov2/{size}-{"frozen" if frozen else "tuned"}'
            checks.append(Check(name, partial(_vit, size, frozen)))
    checks.append(Check('compile', _compiled))
    return [*checks, *([Check('tiles', tune_tiles)] if tune else [])]


def _same(method: Method, settings: Settings) -> Said:
    return check_step(method.small(), settings)


def _syncs(method: Method, settings: Settings) -> Said:
    cfg = method.small() if settings.dry else method.large()
    if not settings.dry:
        cfg.model.data_preprocessor.size = SYNC_SIZE
    return check_syncs(cfg, settings)


def _step(method: Method, settings: Settings) -> Said:
    return measure_method(method.small() if settings.dry else method.large(), settings)


def _compiled(settings: Settings) -> Said:
    return check_compiled(METHODS[0].small(), settings)


def _vit(size: str, frozen: bool, settings: Settings) -> Said:
    if importlib.util.find_spec('transformers') is None:
        raise CheckSkipped(
            "transformers is not installed: pip install 'mmseg-contrast[transformers]'"
        )
    return measure_method(vit_config(size, frozen, settings.dry), settings)


def vit_config(size: str, frozen: bool, dry: bool) -> Config:
    """Return UniMatch V2 on DINOv2 with random weights and the DPT head.

    Args:
        size (str): ``'small'`` or ``'base'``.
        frozen (bool): Whether the backbone stays as it is.
        dry (bool): Whether for a dry run: another width, and images of four patches.
    """
    width, heads, channels = DRY_VIT if dry else VITS[size]
    changes = {
        'model.backbone.config.hidden_size': width,
        'model.backbone.config.num_attention_heads': heads,
        'model.decode_head.in_channels': width,
        'model.decode_head.channels': channels,
        'model.decode_head.post_process_channels': [width * 2**i // 8 for i in range(4)],
    }
    net = f'dinov2-small_dpt{"_frozen" if frozen else ""}'
    side = 28 if dry else 518
    return compose('unimatch_v2', net, (side, side), 8, changes)
