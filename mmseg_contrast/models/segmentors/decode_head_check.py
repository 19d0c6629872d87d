"""Decode heads that the segmentors of this package cannot train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def check_decode_head(config: Any, owner: str) -> None:
    """Refuse a cascade of decode heads, before it is built.

    Args:
        config (Any): ``decode_head`` of the segmentor.
        owner (str): The segmentor, for the error.

    Raises:
        ValueError: If it is a list (OCRNet, PointRend), holds heads of its own (KNet), or lacks
            ``num_classes``.
    """
    remedy = 'take one head that returns a map of logits, such as FCNHead, PSPHead or UPerHead.'
    if not isinstance(config, Mapping):
        kinds = ', '.join(str(head.get('type')) for head in config)
        raise ValueError(
            f'decode_head is a cascade of {len(config)} heads ({kinds}), which {owner} cannot train: '
            f'{remedy}'
        )
    inner = [key for key in config if key.endswith('_head') and isinstance(config[key], Mapping)]
    if inner:
        raise ValueError(
            f'decode_head ({config.get("type")}) is a cascade with a {inner[0]}, which {owner} cannot '
            f'train: {remedy}'
        )
    if 'num_classes' not in config:
        raise ValueError(
            f'decode_head ({config.get("type")}) has no num_classes: give the number of classes of the '
            'data set.'
        )
