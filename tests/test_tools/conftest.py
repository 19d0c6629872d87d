"""Loading of command line tools as modules, which is faster than starting a process for each."""

import importlib.util
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / 'tools'


@pytest.fixture
def load_tool():
    """Import a script by its path below ``tools``."""

    def load(path):
        spec = importlib.util.spec_from_file_location(Path(path).stem, TOOLS / path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
