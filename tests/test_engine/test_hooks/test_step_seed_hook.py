from types import SimpleNamespace

import torch

from mmseg_contrast.engine.hooks import StepSeedHook


def draw(seed: int, iteration: int) -> torch.Tensor:
    StepSeedHook().before_train_iter(SimpleNamespace(seed=seed, iter=iteration), 0)
    return torch.rand(4)


def test_a_step_draws_the_same_whatever_came_before():
    first = draw(3, 10)
    torch.rand(1000)
    assert torch.equal(draw(3, 10), first)


def test_steps_and_seeds_differ():
    draws = torch.stack([draw(3, 10), draw(3, 11), draw(4, 10)])
    assert len(draws.unique(dim=0)) == 3
