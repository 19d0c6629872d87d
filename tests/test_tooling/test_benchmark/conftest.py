"""Makes `tiny_benchmark` importable, and keeps the layout of configs from taking most of the time."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))


@pytest.fixture(autouse=True)
def unformatted_configs(monkeypatch):
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True))
