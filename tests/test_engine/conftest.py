"""Makes `helpers` importable, and bare names such as `dict(type='FCNHead')` known."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import helpers  # noqa: E402, F401  (registers the tiny network)
from mmengine.registry import init_default_scope  # noqa: E402

import mmseg_contrast  # noqa: E402, F401


@pytest.fixture(autouse=True)
def scope(fresh_mmengine):
    init_default_scope('mmseg')
