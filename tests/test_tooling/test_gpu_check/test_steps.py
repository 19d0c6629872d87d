"""What is measured of a step, and what is said about it."""

import pytest
import torch

from mmseg_contrast.tooling.gpu_check import steps
from mmseg_contrast.tooling.gpu_check.check import CheckFailed, Settings
from mmseg_contrast.tooling.gpu_check.methods import METHODS

STEP = {
    'labeled': 4,
    'unlabeled': 4,
    'halved': False,
    'height': 256,
    'width': 512,
    'ms': 201.4,
    'finite': True,
}


def test_launches_are_counted_by_name():
    names = [
        'cudaLaunchKernel',
        'aten::mm',
        'cuLaunchKernelEx',
        'cudaMemcpyAsync',
        'hipLaunchKernel',
    ]
    assert steps.count_launches(names) == 3


@pytest.mark.parametrize(
    ('figures', 'said'),
    [
        ([STEP | {'what': 'tf32'}], '4 + 4 images of 256x512: tf32 201 ms'),
        (
            [
                STEP | {'what': 'tf32', 'contrast_share': 0.021},
                STEP | {'what': 'float16', 'contrast_share': 0.048, 'ms': 99.9},
            ],
            '4 + 4 images of 256x512: tf32 201 ms, float16 100 ms; contrast at most 4.8 %, within the goal '
            'of 5 %',
        ),
        (
            [STEP | {'what': 'tf32', 'contrast_share': 0.071, 'halved': True}],
            '4 + 4 images of 256x512, fewer than the paper: tf32 201 ms; contrast at most 7.1 %, above the '
            'goal of 5 %',
        ),
    ],
)
def test_what_is_said(figures, said):
    assert steps.describe(figures, dry=False) == said


def test_each_precision_is_measured_and_the_batch_halved_for_it(monkeypatch):
    cfg, seen = METHODS[0].small(), []

    def measure(cfg, settings, images):
        wrapper = cfg.optim_wrapper
        seen.append((wrapper.type, wrapper.get('dtype'), images))
        if wrapper.type == 'OptimWrapper' and images[0] > 2:
            raise torch.OutOfMemoryError('CUDA out of memory')
        return {'height': 64, 'width': 64, 'ms': 1.0, 'finite': True}

    monkeypatch.setattr(steps, 'measure_step', measure)
    found = steps.measure_method(cfg, Settings('cuda'))
    assert [(f['what'], f['labeled'], f['halved']) for f in found.figures] == [
        ('tf32', 2, True),
        ('bfloat16', 8, False),
        ('float16', 8, False),
    ]
    assert seen == [
        ('OptimWrapper', None, (8, 8)),
        ('OptimWrapper', None, (4, 4)),
        ('OptimWrapper', None, (2, 2)),
        ('AmpOptimWrapper', 'bfloat16', (8, 8)),
        ('AmpOptimWrapper', 'float16', (8, 8)),
    ]


def test_a_loss_that_is_not_finite_fails(monkeypatch):
    figure = {'height': 64, 'width': 64, 'ms': 1.0, 'finite': False}
    monkeypatch.setattr(steps, 'measure_step', lambda *_: dict(figure))
    with pytest.raises(CheckFailed, match='not finite in tf32 and bfloat16 and float16') as caught:
        steps.measure_method(METHODS[0].small(), Settings('cuda'))
    assert len(caught.value.figures) == 3


def test_a_dry_run_has_no_figures():
    found = steps.measure_method(METHODS[0].small(), Settings('cpu'))
    assert found.sentence == ('runs with 2 + 2 images of 64x64; nothing is measured without a card')
    (figure,) = found.figures
    measured = {'peak_mib', 'ms', 'ms_without_contrast', 'launches', 'launches_without_contrast'}
    assert {key for key, value in figure.items() if value is None} == measured


def test_a_step_is_measured_with_and_without_its_contrast(monkeypatch):
    """On the CPU, which stands in for a card."""

    class Measured(Settings):
        dry = False

    counts = iter((9, 7))
    monkeypatch.setattr(steps, 'launches', lambda work: next(counts))
    torch.manual_seed(0)
    cfg = METHODS[0].small()
    cfg.model.data_preprocessor.size = (32, 32)
    found = steps.measure_step(cfg, Measured('cpu', repeats=1), (2, 2))
    assert (found['height'], found['width'], found['finite'], found['peak_mib']) == (
        32,
        32,
        True,
        None,
    )
    assert (found['launches'], found['launches_without_contrast']) == (9, 7)
    expected = 1 - found['ms_without_contrast'] / found['ms']
    assert found['contrast_share'] == pytest.approx(expected, abs=1e-4)
