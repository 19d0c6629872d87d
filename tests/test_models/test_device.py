import pytest
import torch

from mmseg_contrast.models.device import without_autocast


@pytest.mark.parametrize('device', ['cpu', 'meta'])
def test_dtypes_are_kept(device):
    x = torch.empty(2, 2, device=device)
    with torch.autocast('cpu', torch.bfloat16), without_autocast(x):
        assert (x @ x).dtype == torch.float32


def test_autocast_goes_on_afterwards():
    x = torch.ones(2, 2)
    with torch.autocast('cpu', torch.bfloat16):
        with without_autocast(x):
            pass
        assert (x @ x).dtype == torch.bfloat16
