"""The validation that keeps what each image counts has the scores of MMEngine's own."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from tiny_benchmark import write_project

from mmseg_contrast.tooling.benchmark.counts import mean_iou
from mmseg_contrast.tooling.benchmark.plan import read_benchmark
from mmseg_contrast.tooling.benchmark.validation import validate


def naive_ece(runner, branch):
    """The expected calibration error in percent, pixel by pixel."""
    pixels = [[] for _ in range(15)]
    with runner.model.predict_with(branch) if branch else nullcontext():
        for batch in runner.val_dataloader:
            [sample] = runner.model.val_step(batch)
            scores = sample.seg_logits.data.double().softmax(0)
            for y, x in np.ndindex(scores.shape[1:]):
                confidence, predicted = scores[:, y, x].max(0)
                right = bool(predicted == sample.gt_sem_seg.data[0, y, x])
                pixels[min(int(15 * confidence), 14)].append((float(confidence), right))
    total = sum(map(len, pixels))
    gaps = [len(each) / total * abs(np.subtract(*np.mean(each, 0))) for each in pixels if each]
    return 100 * float(sum(gaps))


@pytest.mark.parametrize('method', ['labels-alone', 'fixmatch'])
def test_scores_are_those_of_the_validation_loop(tmp_path, monkeypatch, method):
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    init_default_scope('mmseg')
    [run] = read_benchmark(tmp_path / 'tiny.py').matching([f'{method}_*_seed0'])
    cfg = run.configs['train']
    cfg.work_dir = str(tmp_path / 'work')
    runner = Runner.from_cfg(cfg)
    runner.call_hook('before_run')
    with torch.no_grad():
        for weight in runner.model.parameters():  # the two branches differ
            weight.add_(0.3 * torch.randn_like(weight))
    expected = runner.val_loop.run()
    runner.save_checkpoint(
        str(tmp_path), 'iter_6.pth', save_optimizer=False, save_param_scheduler=False
    )
    found = validate(cfg, tmp_path / 'iter_6.pth')

    semi = method == 'fixmatch'
    assert [*found.counts] == (['student', 'teacher'] if semi else ['student'])
    assert found.branch == ('teacher' if semi else 'student')
    assert found.classes[0] == 'grass'
    for branch, counts in found.counts.items():
        score = expected[f'{branch}/mIoU' if semi else 'mIoU']
        assert round(float(mean_iou(counts.areas().sum(0))), 2) == score
        assert found.ece[branch] == pytest.approx(naive_ece(runner, branch if semi else None))
    if semi:
        assert expected['student/mIoU'] != expected['teacher/mIoU']
