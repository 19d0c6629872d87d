import pytest
import torch

from mmseg_contrast.tooling.gpu_check import compiled
from mmseg_contrast.tooling.gpu_check.check import CheckFailed, Settings
from mmseg_contrast.tooling.gpu_check.methods import METHODS


def test_the_compiled_step_is_the_step(monkeypatch):
    made = []

    def compile_it(model, **kwargs):
        made.append(kwargs)
        return model

    monkeypatch.setattr(torch, 'compile', compile_it)
    said = compiled.check_compiled(METHODS[0].small(), Settings('cpu'))
    assert made == [{'backend': 'eager'}], 'a dry run generates no code'
    (figure,) = said.figures
    assert figure['loss'] == figure['gradient'] == 0


def test_another_loss_fails(monkeypatch):
    def compile_it(model, **kwargs):
        def run(**data):
            losses = model(**data)
            return {name: 1.01 * loss for name, loss in losses.items()}

        return run

    monkeypatch.setattr(torch, 'compile', compile_it)
    with pytest.raises(
        CheckFailed, match=r'loss 1\.0e-02, gradient 1\.0e-02 apart .* 0\.001 is allowed'
    ):
        compiled.check_compiled(METHODS[0].small(), Settings('cpu'))
