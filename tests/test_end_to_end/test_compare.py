"""What `compare.py` asks of a real run: its predictions, and its last validation."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.apis import inference_model, init_model

from mmseg_contrast.tooling.compare import read_result
from mmseg_contrast.tooling.comparison_runs import Run

TOOL = Path(__file__).parents[2] / 'tools' / 'compare.py'
LAST = 8


def test_it_draws_a_config_without_the_variable_test_pipeline(trained, monkeypatch):
    monkeypatch.chdir(trained.root)
    checkpoint = str(trained.work_dirs / 'full' / f'iter_{LAST}.pth')
    paths = [f'data/mosaic/images/val/val_{index}.png' for index in range(2)]
    model = init_model(str(trained.config), checkpoint, device='cpu')
    expected = [inference_model(model, path).pred_sem_seg.data[0].numpy() for path in paths]

    spec = importlib.util.spec_from_file_location('compare', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    cfg = Config.fromfile(trained.config)
    for key in ('test_pipeline', 'test_dataloader', 'test_evaluator', 'test_cfg'):
        cfg.pop(key)
    run = Run('tiny', 0, None, cfg, trained.work_dirs / 'full', {})
    for found, wanted in zip(tool.predict(run, checkpoint, paths), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert 'test_pipeline' not in cfg


def test_a_run_that_was_killed_in_its_last_validation_validates(trained):
    folder = trained.work_dirs / 'killed-in-the-validation'
    shutil.copytree(trained.work_dirs / 'full', folder)
    (folder / 'last_checkpoint').write_text(str(folder / f'iter_{LAST}.pth'))
    [log] = folder.glob('*/vis_data/scalars.json')
    lines = log.read_text().splitlines()
    [last] = [line for line in lines if json.loads(line).keys() >= {'student/mIoU', 'step'}][1:]
    log.write_text('\n'.join(line for line in lines if line != last) + '\n')
    assert read_result(folder, 'tiny', 0, LAST) is None

    trained.ours('train.py', trained.config, '--work-dir', folder, '--resume')
    last = json.loads(last)
    expected = {branch: last[f'{branch}/mIoU'] for branch in ('student', 'teacher')}
    assert read_result(folder, 'tiny', 0, LAST).scores == pytest.approx(expected)


def test_the_best_weights_of_the_student_are_kept(trained):
    folder = trained.work_dirs / 'best'
    option = 'default_hooks.checkpoint.save_best=student/mIoU'
    trained.ours('train.py', trained.config, '--work-dir', folder, '--cfg-options', option)
    scores = {
        line['step']: line['student/mIoU'] for line in trained.log('best') if 'student/mIoU' in line
    }
    [kept] = folder.glob('best_*.pth')
    assert kept.name == f'best_student_mIoU_iter_{max(scores, key=scores.get)}.pth'
