import torch
from mmengine.model import MMDistributedDataParallel
from mmseg.models import SegTTAModel

from mmseg_contrast.engine.unwrap import unwrap


def wrapped(kind, module):
    """Make a wrapper without a process group."""
    wrapper = kind.__new__(kind)
    torch.nn.Module.__init__(wrapper)
    wrapper.module = module
    return wrapper


def test_no_wrapper_is_left():
    model = torch.nn.Linear(1, 1)
    assert unwrap(model) is model
    for kinds in (
        [MMDistributedDataParallel],
        [SegTTAModel],
        [SegTTAModel, MMDistributedDataParallel],
        [MMDistributedDataParallel, SegTTAModel],
    ):
        outer = model
        for kind in kinds:
            outer = wrapped(kind, outer)
        assert unwrap(outer) is model
