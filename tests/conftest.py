"""One thread, fixed seeds, and no state left behind by MMEngine."""

import os
import random

# Small tensors are faster on one thread, and pytest-xdist runs one process per core. Set before
# torch is imported, and inherited by the processes that tests start.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import cv2
import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer
from mmseg.visualization import SegLocalVisualizer

from mmseg_contrast.models import device as model_device

torch.set_num_threads(1)
cv2.setNumThreads(0)


@pytest.fixture(autouse=True)
def fixed_seeds():
    """Each test starts from the same seeds, whatever ran before it."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def fresh_mmengine():
    """Forget MMEngine's global instances: they outlive the runner that made them."""
    yield
    for logger in MMLogger._instance_dict.values():
        for handler in logger.handlers:
            handler.close()
    # Each class of visualizer has instances of its own.
    for manager in (MMLogger, MessageHub, Visualizer, SegLocalVisualizer, DefaultScope):
        manager._instance_dict.clear()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@pytest.fixture(params=['as on a CPU', 'as on a GPU'])
def device(request, monkeypatch):
    """Whether shapes may depend on values; both ways are the same function."""
    if request.param == 'as on a GPU':
        monkeypatch.setattr(model_device, 'FREE_DEVICES', frozenset())
    return request.param
