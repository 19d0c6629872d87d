import sys

import pytest
import torch

from mmseg_contrast.tooling.loss_cases import CASES, PEER, Case, Form, find_peer, measure

MODULE = 'pytorch_metric_learning'
SUPERVISED = {'within_image', 'batch', 'hybrid'}


@pytest.fixture(autouse=True)
def forgotten_peer():
    find_peer.cache_clear()
    yield
    find_peer.cache_clear()


def test_the_forms_have_the_same_gradients():
    for make in CASES.values():
        for case in make('tiny', 'cpu'):
            # the peer normalises what it gets, which leaves no gradient along a vector
            forms = [form for form in case.forms if form.name != PEER]
            if not case.leaves:
                continue
            expected, *others = (torch.autograd.grad(f.loss(), case.leaves) for f in forms)
            assert max(float(each.abs().max()) for each in expected) > 1e-3
            for form, found in zip(forms[1:], others):
                torch.testing.assert_close(
                    found, expected, rtol=1e-3, atol=1e-5, msg=f'{case.name}: {form.name}'
                )


def test_a_missing_peer_is_said_once_and_where_it_would_be_measured(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, MODULE, None)  # as if it were not installed
    assert len(list(CASES['csc']('tiny', 'cpu'))) == 1
    assert not capsys.readouterr().out
    cases = [case for key in SUPERVISED for case in CASES[key]('tiny', 'cpu')]
    assert len(cases) == 3 and all(len(case.forms) >= 2 for case in cases)
    printed = capsys.readouterr().out
    assert printed.count('pip install --no-deps pytorch-metric-learning') == 1
    assert printed.count('\n') == 1


def test_the_peer_has_a_form_of_each_supervised_contrast():
    pytest.importorskip(MODULE)
    for key in SUPERVISED:
        for case in CASES[key]('tiny', 'cpu'):
            ours, dense, peer = (form.loss().item() for form in case.forms[:3])
            assert case.forms[2].name == PEER
            assert peer == pytest.approx(dense, rel=1e-5)
            assert ours == pytest.approx(dense, rel=1e-5)


def test_what_does_not_fit_is_left_out():
    x = torch.ones(3, requires_grad=True)
    forms = [Form('small', x.sum), Form('dense', x.sum, needs=2**60)]
    small, dense = measure(Case('c', [x], forms), 'cpu', 1)
    assert dense['ms'] == dense['MiB'] == small['time ratio'] == '-'
    assert float(small['ms']) > 0
