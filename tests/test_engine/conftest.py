"""Makes `helpers` importable, and bare names such as `dict(type='FCNHead')` known."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

import helpers  # noqa: F401  (registers the tiny network)
from mmengine.registry import init_default_scope

import mmseg_contrast  # noqa: F401


@pytest.fixture(autouse=True)
def scope(fresh_mmengine):
    init_default_scope('mmseg')


@pytest.fixture
def folder(tmp_path):
    """Six images of 20 x 16 pixels with masks, and three without."""
    rng = np.random.RandomState(0)
    for name in ('images', 'masks', 'more'):
        (tmp_path / name).mkdir()
    for index in range(6):
        image = rng.randint(0, 255, (16, 20, 3)).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / 'images' / f'{index}.jpg')
        mask = rng.choice([*range(11), 255], (16, 20)).astype(np.uint8)
        Image.fromarray(mask).save(tmp_path / 'masks' / f'{index}.png')
    for index in range(3):
        image = rng.randint(0, 255, (16, 20, 3)).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / 'more' / f'{index}.jpg')
    return tmp_path
