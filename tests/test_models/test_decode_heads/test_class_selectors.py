import pytest
import torch
from sync_counter import SyncCounter
from torch import nn

from mmseg_contrast.models.decode_heads.class_selectors import BLOCK, ClassSelectors

pytestmark = pytest.mark.usefixtures('device')
C, D = 4, 6


def literal_modules(selectors):
    """One ordinary sequence of layers for each class, with the same parameters."""
    modules = []
    for c in range(C):
        module = nn.Sequential(
            nn.Linear(D, D, bias=False),
            nn.BatchNorm1d(D),
            nn.LeakyReLU(0.2),
            nn.Linear(D, 1),
            nn.Sigmoid(),
        ).double()
        with torch.no_grad():
            module[0].weight.copy_(selectors.weight[c])
            module[1].weight.copy_(selectors.norm.weight[c])
            module[1].bias.copy_(selectors.norm.bias[c])
            module[1].running_mean.copy_(selectors.norm.running_mean[c])
            module[1].running_var.copy_(selectors.norm.running_var[c])
            module[3].weight.copy_(selectors.score_weight[c : c + 1])
            module[3].bias.copy_(selectors.score_bias[c : c + 1])
        modules.append(module)
    return modules


def selectors_of(seed=0):
    torch.manual_seed(seed)
    selectors = ClassSelectors(C, D).double()
    with torch.no_grad():
        for name, value in [*selectors.named_parameters(), *selectors.named_buffers()]:
            value.add_(
                0.3 * torch.rand_like(value) if 'var' in name else 0.3 * torch.randn_like(value)
            )
    return selectors


@pytest.mark.parametrize('training', [True, False])
def test_equals_a_module_for_each_class(training):
    selectors = selectors_of().train(training)
    rows = torch.randn(300, D, dtype=torch.float64)
    labels = torch.randint(0, C - 1, (300,))  # the last class is absent
    labels[::7] = 255
    modules = literal_modules(selectors)
    scores = selectors.score_rows(rows, labels)
    expected = torch.zeros_like(scores)
    for c, module in enumerate(modules[:-1]):
        module.train(training)
        expected = expected.masked_scatter(labels == c, module(rows[labels == c]))
    torch.testing.assert_close(scores, expected, rtol=1e-9, atol=1e-12)

    factor = torch.randn(300, dtype=torch.float64)
    (scores * factor).sum().backward()
    (expected * factor).sum().backward()
    for c, module in enumerate(modules[:-1]):
        pairs = [
            (selectors.weight.grad[c], module[0].weight.grad),
            (selectors.norm.weight.grad[c], module[1].weight.grad),
            (selectors.norm.bias.grad[c], module[1].bias.grad),
            (selectors.score_weight.grad[c], module[3].weight.grad[0]),
            (selectors.score_bias.grad[c], module[3].bias.grad[0]),
            (selectors.norm.running_mean[c], module[1].running_mean),
            (selectors.norm.running_var[c], module[1].running_var),
        ]
        for one, other in pairs:
            torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)
    for parameter in selectors.parameters():
        assert not parameter.grad[-1].any()


def test_a_cpu_does_not_work_on_padding(device):
    selectors, seen = selectors_of(), []
    selectors.norm.register_forward_pre_hook(lambda _, args: seen.append(args[0][..., 0].numel()))
    labels = torch.tensor([0, 255, 2, 2, 255, 0, 2])
    selectors.score_rows(torch.randn(7, D, dtype=torch.float64), labels)
    assert sum(seen) == (5 if device == 'as on a CPU' else BLOCK * (1 + C))


def test_the_bank_is_scored_as_its_rows_are():
    selectors = selectors_of()
    rows = torch.randn(C, 5, D, dtype=torch.float64)
    valid = torch.arange(5) < torch.tensor([[5], [2], [0], [3]])
    labels = torch.where(valid, torch.arange(C).unsqueeze(1), 255)
    other = selectors_of()
    one = selectors.score_bank(rows, valid)
    two = other.score_rows(rows.flatten(0, 1), labels.flatten()).view_as(one)
    torch.testing.assert_close(one[valid], two[valid], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(selectors.norm.running_var, other.norm.running_var)


@pytest.mark.parametrize('number', [0, 1])
def test_no_row_or_one_row_uses_running_statistics_and_leaves_them(number):
    selectors = selectors_of()
    before = {name: value.clone() for name, value in selectors.named_buffers()}
    rows = torch.randn(3, D, dtype=torch.float64)
    labels = torch.full((3,), 255)
    labels[:number] = 1
    scores = selectors.score_rows(rows, labels)
    expected = literal_modules(selectors)[1].eval()(rows[:number]).flatten()
    torch.testing.assert_close(scores[:number], expected)
    scores.sum().backward()
    for name, value in selectors.named_buffers():
        assert torch.equal(value, before[name]), name
    assert all(torch.isfinite(p.grad).all() for p in selectors.parameters())


def test_frozen_is_eval():
    selectors = selectors_of()
    rows, labels = torch.randn(40, D, dtype=torch.float64), torch.randint(0, C, (40,))
    frozen = selectors.score_rows(rows, labels, frozen=True)
    assert torch.equal(frozen, selectors.eval().score_rows(rows, labels))
    assert not torch.allclose(frozen, selectors.train().score_rows(rows, labels))


def test_a_large_mean_does_not_cost_the_variance():
    selectors = ClassSelectors(1, D)
    rows = torch.randn(64, D) + 300
    exact = ClassSelectors(1, D).double()
    exact.load_state_dict({k: v.double() for k, v in selectors.state_dict().items()})
    labels = torch.zeros(64, dtype=torch.long)
    one, other = selectors.score_rows(rows, labels), exact.score_rows(rows.double(), labels)
    torch.testing.assert_close(one.double(), other, rtol=1e-3, atol=1e-4)


def test_float32_under_autocast_and_nothing_waits():
    selectors = ClassSelectors(C, D)
    rows, labels = torch.randn(40, D), torch.randint(0, C, (40,))
    with torch.autocast('cpu', torch.bfloat16), SyncCounter() as counter:
        scores = selectors.score_rows(rows.bfloat16(), labels)
        scores.sum().backward()
    assert scores.dtype == torch.float32
    assert dict(counter.counts) == {}
