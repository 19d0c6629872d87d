import pytest
import torch
from torch import nn

from mmseg_contrast.models.segmentors.named_ema import NamedEMA


class Net(nn.Module):
    def __init__(self, student):
        super().__init__()
        if student:
            # First, so that pairs by position would all be shifted.
            self.projector = nn.Conv2d(3, 3, 1)
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer('scratch', torch.ones(2), persistent=False)

    def forward(self, x):
        return self.norm(self.conv(x))


def state(net):
    tensors = [*net.named_parameters(), *net.named_buffers()]
    return {name: value.detach().clone() for name, value in tensors}


def test_ten_updates_equal_a_recomputation_by_name():
    student, teacher = Net(True).train(), Net(False).eval()
    ema = NamedEMA(teacher, student)
    optimizer = torch.optim.SGD(student.parameters(), 0.1)
    expected = state(teacher)
    for step in range(10):
        optimizer.zero_grad()
        student(torch.randn(4, 3, 6, 6) + 3).square().mean().backward()
        optimizer.step()
        momentum = 1 / (step + 2)
        ema.update(momentum)
        for name, value in state(student).items():
            if name not in expected:
                continue
            if name.endswith('num_batches_tracked'):
                expected[name] = value
            else:
                expected[name] = (1 - momentum) * expected[name] + momentum * value
    result = state(teacher)
    assert set(result) == set(expected)
    assert int(result['norm.num_batches_tracked']) == 10
    assert float(result['norm.running_mean'].abs().sum()) > 0.01
    for name, value in expected.items():
        torch.testing.assert_close(result[name], value, msg=name)
    assert not torch.equal(result['conv.weight'], student.conv.weight)


def test_copy_makes_the_states_equal_and_separate():
    student, teacher = Net(True), Net(False)
    student.norm.running_mean.add_(2)
    student.norm.num_batches_tracked.add_(7)
    NamedEMA(teacher, student).copy()
    source = state(student)
    for name, value in state(teacher).items():
        assert torch.equal(value, source[name]), name
    with torch.no_grad():
        student.conv.weight.add_(1)
    assert not torch.equal(student.conv.weight, teacher.conv.weight)


def test_momentum_zero_keeps_the_parameters():
    student, teacher = Net(True), Net(False)
    before = teacher.conv.weight.clone()
    NamedEMA(teacher, student).update(0.0)
    assert torch.equal(before, teacher.conv.weight)


def test_the_student_gets_no_gradient_and_no_change():
    student, teacher = Net(True), Net(False).requires_grad_(False)
    before = state(student)
    NamedEMA(teacher, student).update(0.3)
    assert all(torch.equal(value, before[name]) for name, value in state(student).items())
    assert not teacher.conv.weight.requires_grad


def test_a_teacher_without_counterpart_is_named():
    with pytest.raises(ValueError, match=r"'projector.weight'.*none"):
        NamedEMA(Net(True), Net(False))
    teacher = Net(False)
    teacher.conv = nn.Conv2d(3, 5, 3)
    with pytest.raises(ValueError, match=r"'conv.weight' of shape \(5, 3, 3, 3\).*\(4, 3, 3, 3\)"):
        NamedEMA(teacher, Net(True))


def test_a_net_without_integer_buffers():
    student, teacher = nn.Linear(2, 2), nn.Linear(2, 2)
    middle = (student.weight + teacher.weight) / 2
    NamedEMA(teacher, student).update(0.5)
    torch.testing.assert_close(teacher.weight, middle)
