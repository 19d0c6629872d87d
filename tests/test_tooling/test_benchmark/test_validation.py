"""The validation that keeps what each image counts has the scores of MMEngine's own."""

import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from tiny_benchmark import write_project

from mmseg_contrast.tooling.benchmark.counts import mean_iou
from mmseg_contrast.tooling.benchmark.plan import read_benchmark
from mmseg_contrast.tooling.benchmark.validation import validate


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
        assert 0 < found.ece[branch] < 100
    if semi:
        assert expected['student/mIoU'] != expected['teacher/mIoU']
