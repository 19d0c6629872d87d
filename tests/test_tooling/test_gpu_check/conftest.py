"""Bare names such as `dict(type='FCNHead')` are known, and no state of a training is left behind."""

import pytest
from mmengine.registry import init_default_scope

import mmseg_contrast  # noqa: F401


@pytest.fixture(autouse=True)
def scope(fresh_mmengine):
    init_default_scope('mmseg')
