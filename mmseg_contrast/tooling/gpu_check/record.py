"""The file of a card: what was checked, how it went, and the figures."""

from __future__ import annotations

import json
import math
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from ...files import write_file
from ...version import __version__
from .check import STATES, Outcome, Settings

#: Of the form; another number means that readers have to be changed.
FORM = 1
_KEYS = {
    'form': int,
    'card': str,
    'dry': bool,
    'environment': dict,
    'seconds': float,
    'checks': list,
}
_CHECK = {'name': str, 'state': str, 'said': str, 'seconds': float, 'figures': list}
_PACKAGES = {
    'mmengine': ('onedl-mmengine', 'mmengine'),
    'mmcv': ('onedl-mmcv', 'mmcv', 'mmcv-lite'),
    'mmsegmentation': ('onedl-mmsegmentation', 'mmsegmentation'),
    'transformers': ('transformers',),
}


def card_name(device: str) -> str:
    """Return the name of the card, or ``'CPU'``.

    Args:
        device (str): ``'cuda'`` or ``'cpu'``.
    """
    return torch.cuda.get_device_name() if device == 'cuda' else 'CPU'


def file_name(card: str) -> str:
    """Return the name of a card's file, such as ``nvidia-a100-sxm4-80gb.json``.

    Args:
        card (str): Name of the card.
    """
    return f'{re.sub("[^a-z0-9]+", "-", card.lower()).strip("-")}.json'


def environment(device: str) -> dict[str, Any]:
    """Return what the figures depend on; nothing that tells who ran the checks.

    Args:
        device (str): ``'cuda'`` or ``'cpu'``.
    """
    found = {
        'mmseg_contrast': __version__,
        'torch': torch.__version__,
        'python': platform.python_version(),
        'system': f'{platform.system()} {platform.machine()}',
    }
    found |= {name: _version(names) for name, names in _PACKAGES.items()}
    if device == 'cuda':
        properties = torch.cuda.get_device_properties(0)
        found |= {
            'cards': torch.cuda.device_count(),
            'capability': f'{properties.major}.{properties.minor}',
            'memory_gib': round(properties.total_memory / 2**30, 1),
            'cuda': torch.version.cuda or torch.version.hip,
            'cudnn': torch.backends.cudnn.version(),
        }
    return found


def _version(names: Sequence[str]) -> str | None:
    for name in names:
        try:
            return f'{name} {metadata.version(name)}'
        except metadata.PackageNotFoundError:
            continue
    return None


def make_record(settings: Settings, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Put together what is written.

    Args:
        settings (Settings): What the checks were told.
        outcomes (Sequence[Outcome]): How they went.
    """
    return {
        'form': FORM,
        'card': card_name(settings.device),
        'dry': settings.dry,
        'environment': environment(settings.device),
        'seconds': round(settings.seconds - settings.seconds_left, 1),
        'checks': [asdict(outcome) for outcome in outcomes],
    }


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a card's file, whole or not at all.

    Args:
        path (Path): The file.
        record (Mapping[str, Any]): From :func:`make_record`.
    """
    write_file(path, json.dumps(_finite(record), indent=1, allow_nan=False) + '\n')


def _finite(node: Any) -> Any:
    # JSON has no infinity: a figure that is none becomes text.
    if isinstance(node, Mapping):
        return {key: _finite(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_finite(value) for value in node]
    return str(node) if isinstance(node, float) and not math.isfinite(node) else node


def read_record(path: Path) -> dict[str, Any]:
    """Read a card's file.

    Args:
        path (Path): The file.

    Raises:
        ValueError: If it is none, with the key that is wrong.
    """
    try:
        record = json.loads(path.read_text(encoding='utf-8'))
    except json.JSONDecodeError as error:
        raise ValueError(f'{path} is no JSON: {error}; run tools/check_gpu.sh again') from error
    if problem := wrong_form(record):
        raise ValueError(f'{path}: {problem}; run tools/check_gpu.sh again')
    return record


def wrong_form(record: Any) -> str | None:
    """Say what is wrong with the form of a record; None where it is right.

    Args:
        record (Any): What was read.
    """
    if problem := _wrong_keys(record, _KEYS, 'the file'):
        return problem
    if record['form'] != FORM:
        return f'form {record["form"]} is not {FORM}'
    for check in record['checks']:
        if problem := _wrong_keys(check, _CHECK, 'a check'):
            return problem
        if check['state'] not in STATES:
            return f'{check["name"]} has the state {check["state"]}, which is none of {STATES}'
        for figure in check['figures']:
            if not isinstance(figure, dict) or not isinstance(figure.get('what'), str):
                return f'a figure of {check["name"]} has no name in "what"'
            for key, value in figure.items():
                if not isinstance(value, str | int | float | None):
                    return f'{key} of {check["name"]} is no text and no number'
    return None


def _wrong_keys(node: Any, keys: Mapping[str, type], place: str) -> str | None:
    if not isinstance(node, dict):
        return f'{place} is no dict'
    for key, kind in keys.items():
        value = node.get(key)
        kinds = (int, float) if kind is float else kind
        if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
            return f'{place} has no {key} that is a {kind.__name__}'
    return None
