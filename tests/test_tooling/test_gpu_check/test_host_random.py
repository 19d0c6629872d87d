"""All random numbers come from the CPU; on the meta device this shows by where they are made."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from mmseg_contrast.tooling.gpu_check.host_random import HostRandom

X = torch.arange(12.0).view(3, 4)
DRAWS = {
    'rand': lambda: torch.rand(3, 4),
    'randn': lambda: torch.randn(3, 4, dtype=torch.float64),
    'randint': lambda: torch.randint(2, 9, (5,)),
    'randperm': lambda: torch.randperm(7),
    'rand_like': lambda: torch.rand_like(X),
    'randn_like': lambda: torch.randn_like(X),
    'uniform_': lambda: X.clone().uniform_(2, 3),
    'normal_': lambda: X.clone().normal_(1, 2),
    'bernoulli': lambda: torch.bernoulli(X / 12),
    'bernoulli_': lambda: X.clone().bernoulli_(0.3),
    'multinomial': lambda: torch.multinomial(X, 2),
    'dropout2d': lambda: F.dropout2d(X.view(1, 3, 2, 2) + 1, 0.5),
    'dropout': lambda: F.dropout(X, 0.4),
}


class Places(TorchDispatchMode):
    """Notes the devices on which something was drawn."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if any(name in func._schema.name for name in ('rand', 'uniform', 'normal', 'bernoulli')):
            self.seen.add(made.device.type)
        return made


@pytest.mark.parametrize('name', DRAWS)
def test_on_the_cpu_nothing_changes(name):
    torch.manual_seed(3)
    expected = DRAWS[name]()
    torch.manual_seed(3)
    with HostRandom():
        found = DRAWS[name]()
    assert torch.equal(found, expected) and found.dtype == expected.dtype
    with HostRandom():
        assert not torch.equal(DRAWS[name](), expected) or name == 'multinomial'


@pytest.mark.parametrize(
    'draw',
    [
        lambda: torch.rand(3, device='meta'),
        lambda: torch.randperm(3, device='meta'),
        lambda: torch.randn_like(X.to('meta')),
        lambda: X.to('meta').uniform_(),
        lambda: F.dropout2d(X.view(1, 3, 2, 2).to('meta'), 0.5),
    ],
)
def test_for_another_device_it_is_drawn_on_the_cpu_and_moved(draw):
    with Places() as places, HostRandom():
        assert draw().device.type == 'meta'
    assert places.seen == {'cpu'}


def test_the_dropout_of_a_card_is_that_of_the_cpu():
    torch.manual_seed(3)
    x = X.clone().requires_grad_()
    expected = F.dropout(x, 0.4)
    (gradient,) = torch.autograd.grad(expected.sum(), x)
    torch.manual_seed(3)
    with HostRandom():
        found, mask = torch.native_dropout(x, 0.4, True)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad(found.sum(), x)[0], gradient)
    assert torch.equal(mask, gradient > 0)
    with HostRandom():
        assert torch.equal(torch.native_dropout(X, 0.4, False)[0], X)
