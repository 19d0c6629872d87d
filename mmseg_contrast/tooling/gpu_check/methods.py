"""The methods that are checked, at the sizes of the papers and at those of a dry run."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..package_files import find_config, folder_of
from ..training_step import read_config

_COMPOSITION = """\
_base_ = ['{recipe}', '{net}']

model = dict(
    **_base_.method,
    data_preprocessor=dict(type=_base_.preprocessor, size={size}),
    decode_head=dict(num_classes=19),
)
train_dataloader = dict(batch_size={batch_size}, sampler=dict(source_ratio=[1, 1]))
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-4))
"""


@dataclass(frozen=True)
class Method:
    """A method with the net of its paper, and with the small one of the mosaics.

    Attributes:
        name (str): Its name in the checks.
        paper (str | Mapping[str, Any]): A config of the project, or what :func:`compose` is given.
        mosaic (str): The config of the generated mosaics.
        changes (Mapping[str, Any]): Changes of the paper's config, by dotted keys.
    """

    name: str
    paper: str | Mapping[str, Any]
    mosaic: str
    changes: Mapping[str, Any] = field(default_factory=dict)

    def small(self) -> Config:
        """Return the config of the mosaics."""
        return read_config(str(find_config(self.mosaic)), {})

    def large(self) -> Config:
        """Return the config at the paper's size, without weights to download."""
        if isinstance(self.paper, str):
            return read_config(str(find_config(self.paper)), dict(self.changes))
        return compose(**self.paper, changes=self.changes)


def compose(
    recipe: str, net: str, size: tuple[int, int], batch_size: int, changes: Mapping[str, Any]
) -> Config:
    """Make a config of a recipe and a net, without a data set.

    Args:
        recipe (str): Name of a file of ``configs/_base_/recipes``.
        net (str): Name of a file of ``configs/_base_/models``.
        size (tuple[int, int]): Height and width of the images.
        batch_size (int): Labelled and unlabelled images of a step, as many of each.
        changes (Mapping[str, Any]): Changes by dotted keys.
    """
    base = folder_of('configs') / '_base_'
    text = _COMPOSITION.format(
        recipe=base / 'recipes' / f'{recipe}.py',
        net=base / 'models' / f'{net}.py',
        size=size,
        batch_size=batch_size,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'composed.py'
        path.write_text(text, encoding='utf-8')
        return read_config(str(path), dict(changes))


METHODS = (
    Method(
        'c3semiseg',
        'c3semiseg_deeplabv2_r101-d8_4xb8-25k_cityscapes-semi-1by8-256x512',
        'c3semiseg_mosaic',
    ),
    Method(
        'memory_bank',
        'memory_bank_deeplabv2_r101-d8_1xb7-150k_cityscapes-semi-1by30-512x512',
        'memory_bank_mosaic',
    ),
    Method(
        'csc',
        'csc_deeplabv3plus_r101-d8_1xb4-260k_cityscapes-u2pl-semi-1by8-640x640',
        'csc_mosaic',
    ),
    Method(
        'fixmatch',
        'fixmatch_deeplabv2_r101-d8_4xb8-25k_cityscapes-semi-1by8-256x512',
        'fixmatch_mosaic',
    ),
    Method(
        'unimatch',
        'unimatch_deeplabv2_r101-d8_4xb8-25k_cityscapes-semi-1by8-256x512',
        'unimatch_mosaic',
    ),
    Method(
        'unimatch_v2',
        dict(recipe='unimatch_v2', net='deeplabv3plus_r101-d8', size=(801, 801), batch_size=4),
        'unimatch-v2_mosaic',
    ),
    Method(
        'label_efficient',
        'pretrain_deeplabv3plus_r50-d16_4xb4-300k_cityscapes-596-513x513',
        'pretrain_mosaic',
    ),
    Method(
        'labels_alone',
        'sup_deeplabv3plus_r101-d8_1xb2-260k_cityscapes-u2pl-1by8-640x640',
        'sup_mosaic',
    ),
)
