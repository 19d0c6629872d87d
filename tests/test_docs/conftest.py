"""Makes `helpers` importable, and bare names such as `dict(type='FCNHead')` known."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import helpers  # noqa: F401  (registers the tiny network)
from mmengine.registry import init_default_scope

import mmseg_contrast  # noqa: F401


@pytest.fixture(autouse=True)
def scope(fresh_mmengine):
    init_default_scope('mmseg')
