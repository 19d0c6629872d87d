import copy
import json
import logging

import cv2
import numpy as np
import pytest
import torch
from helpers import (
    TinySemiDataset,
    contrast_cfg,
    head_cfg,
    plain_cfg,
    runner_cfg,
    semi_cfg,
    validation_cfg,
)
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner
from page_reader import PageReader, check_self_contained

from mmseg_contrast.engine.hooks import report_hook
from mmseg_contrast.report.measures import bins_of, calibration_error, confusion_of
from mmseg_contrast.report.records import FOLDER
from mmseg_contrast.report.run_data import read_run

SIZE = (16, 16)
REPORT = {'type': 'ReportHook'}


def semi_runner(tmp_path, hooks=(REPORT,), max_iters=4, val_interval=2, **kwargs):
    model = semi_cfg(
        size=SIZE,
        auxiliary_head=[
            head_cfg(in_index=0, dropout_ratio=0.1),
            contrast_cfg(),
        ],
    )
    hooks = [{'type': 'MeanTeacherHook'}, {'type': 'SemiDiagnosticsHook', 'interval': 1}, *hooks]
    cfg = runner_cfg(tmp_path, model, hooks=hooks, experiment_name=tmp_path.name)
    cfg['default_hooks']['logger']['interval'] = 1
    cfg.update(validation_cfg(val_interval, max_iters))
    cfg.update(kwargs)
    return Runner.from_cfg(cfg)


def train_and_catch(runner):
    warnings = []
    runner.logger.warning = lambda message, *args: warnings.append(str(message))
    runner.train()
    return [w for w in warnings if w.startswith('ReportHook')]


def test_a_training_writes_its_report(tmp_path):
    runner = semi_runner(tmp_path)
    assert train_and_catch(runner) == []
    html = (tmp_path / 'report.html').read_text()
    reader = PageReader(html)
    check_self_contained(reader)
    text = ''.join(reader.text)
    assert 'finished after 4 iterations' in text
    for title in ('What to try next', 'Scores', 'Losses', 'Pseudo-labels', 'Features', 'Mistakes'):
        assert title in text
    assert len(reader.pictures()) > 8
    run = read_run(tmp_path)
    assert [v.iteration for v in run.validations] == [2, 4]
    assert [step.iteration for _, step in run.pictures] == [1, 4]
    assert run.start.classes == ['a', 'b', 'c']
    assert 50 < run.validations[-1].host_memory < 100_000, 'megabytes'
    assert (run.start.max_iters, run.start.seed, run.start.iteration) == (4, 0, 0)


def test_a_report_changes_no_number_of_the_training(tmp_path):
    """Without StepSeedHook each random number depends on all that were drawn before."""
    states, losses = [], []
    for name, hooks in (('with', [REPORT]), ('without', [])):
        runner = semi_runner(tmp_path / name, hooks, max_iters=6)
        seen = []
        step = runner.model.train_step
        runner.model.train_step = lambda *a, step=step, seen=seen, **k: (
            seen.append(step(*a, **k)) or seen[-1]
        )
        runner.train()
        states.append(copy.deepcopy(runner.model.state_dict()))
        losses.append([each['loss'].item() for each in seen])
    assert losses[0] == losses[1] and len(losses[0]) == 6
    assert states[0].keys() == states[1].keys()
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key]), key
    assert (tmp_path / 'with' / 'report.html').is_file()
    assert not (tmp_path / 'without' / 'report.html').exists()


def test_the_model_is_left_without_listeners(tmp_path):
    runner = semi_runner(tmp_path)
    runner.train()
    for module in runner.model.modules():
        own = {*module._forward_hooks.values(), *module._forward_pre_hooks.values()}
        assert not [each for each in own if 'mmseg_contrast.report' in each.__module__]


def test_counts_of_both_nets_against_their_predictions(tmp_path):
    runner = semi_runner(tmp_path)
    runner.train()
    [record] = [v for v in read_run(tmp_path).validations if v.iteration == 4]
    model = runner.model.eval()
    for net in ('student', 'teacher'):
        confusion, bins = np.zeros((3, 3), int), np.zeros((3, 15))
        dataset = TinySemiDataset(3, branches=False)
        for i in range(3):
            data = model.data_preprocessor(pseudo_collate([dataset[i]]), training=False)
            owner = model.teacher if net == 'teacher' else model
            [result] = owner.predict(data['inputs'], data['data_samples'])
            prediction = result.pred_sem_seg.data[0].numpy()
            truth = dataset.labels[i].numpy()
            confusion += confusion_of(truth, prediction, 3)
            confidence = result.seg_logits.data.detach().softmax(0).max(0)[0].numpy()
            bins += bins_of(confidence.astype(float), prediction == truth)
        assert record.nets[net].confusion == confusion.tolist()
        assert np.allclose(record.nets[net].bins, bins, atol=1e-4)
        error = calibration_error(np.array(record.nets[net].bins))
        assert error == pytest.approx(calibration_error(bins), abs=1e-5)
        assert -1 <= record.nets[net].between <= 1
        assert record.metrics[f'{net}/aAcc'] == pytest.approx(
            100 * np.trace(confusion) / confusion.sum(), abs=0.01
        )


def test_a_failure_is_a_warning_and_the_training_goes_on(tmp_path, monkeypatch):
    def fail(*args):
        raise RuntimeError('no ink')

    monkeypatch.setattr(report_hook, 'write_page', fail)
    monkeypatch.setattr(report_hook, 'PAUSE', 0)
    monkeypatch.setattr(report_hook.ValidationCounts, 'add', fail)
    monkeypatch.setattr(report_hook.StepView, 'rows', fail)
    runner = semi_runner(tmp_path)
    warnings = train_and_catch(runner)
    assert runner.iter == 4
    parts = [each.splitlines()[0].split(': ')[1].split(' failed')[0] for each in warnings]
    assert sorted(parts) == ['the counts of a validation', 'the page', 'the pictures of a step']
    assert all('RuntimeError: no ink' in each and 'Traceback' in each for each in warnings)


def test_a_plain_model_has_a_report_too(tmp_path):
    cfg = runner_cfg(tmp_path, plain_cfg(size=SIZE), hooks=[REPORT], experiment_name=tmp_path.name)
    cfg.update(validation_cfg(2, 2))
    cfg['val_cfg'] = {'type': 'ValLoop'}
    cfg['train_dataloader']['dataset'] = {'type': 'TinySemiDataset', 'branches': False}
    runner = Runner.from_cfg(cfg)
    assert train_and_catch(runner) == []
    run = read_run(tmp_path)
    assert [*run.validations[-1].nets] == ['student']
    assert [(s.name, s.images, s.per_step) for s in run.start.sets] == [('training', 8, 4)]
    assert not run.is_semi
    text = ''.join(PageReader((tmp_path / 'report.html').read_text()).text)
    assert 'Pseudo-labels' not in text and 'Labelled image 1' in text


def test_without_validation_the_report_comes_at_the_end(tmp_path):
    cfg = runner_cfg(
        tmp_path,
        semi_cfg(size=SIZE),
        max_iters=3,
        hooks=[{'type': 'MeanTeacherHook'}, REPORT],
        experiment_name=tmp_path.name,
    )
    cfg['default_hooks']['logger']['interval'] = 1
    runner = Runner.from_cfg(cfg)
    assert train_and_catch(runner) == []
    assert 'finished after 3 iterations' in (tmp_path / 'report.html').read_text()


def test_by_epochs_the_last_step_of_each_is_shown(tmp_path):
    cfg = runner_cfg(tmp_path, plain_cfg(size=SIZE), hooks=[REPORT], experiment_name=tmp_path.name)
    cfg.update(validation_cfg(2, 2))
    cfg['val_cfg'] = {'type': 'ValLoop'}
    cfg['train_cfg'] = {'type': 'EpochBasedTrainLoop', 'max_epochs': 2}
    cfg['train_dataloader']['dataset'] = {'type': 'TinySemiDataset', 'branches': False}
    cfg['train_dataloader']['sampler'] = {'type': 'DefaultSampler', 'shuffle': False}
    assert train_and_catch(Runner.from_cfg(cfg)) == []
    run = read_run(tmp_path)
    assert [v.iteration for v in run.validations] == [2, 4]
    assert [step.iteration for _, step in run.pictures] == [1, 4]


def test_pages_are_not_written_more_often_than_need_be(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(
        report_hook, 'write_page', lambda path, runs: written.append(runs[0].iteration)
    )
    semi_runner(tmp_path, max_iters=8, val_interval=2).train()
    assert written == [2, 8]


def test_images_that_a_sampler_gives_twice_count_once(tmp_path, monkeypatch):
    """Of 3 images two processes get 2 each; this one is the second, which gets the first image again."""
    monkeypatch.setattr(report_hook, 'get_world_size', lambda: 2)
    monkeypatch.setattr(report_hook, 'get_rank', lambda: 1)
    runner = semi_runner(tmp_path)
    hook = next(h for h in runner.hooks if type(h).__name__ == 'ReportHook')
    kept = {}
    merge = report_hook.merge_counts

    def look(parts):
        kept.update(merge(parts))
        return kept

    monkeypatch.setattr(report_hook, 'merge_counts', look)
    runner.val()
    assert hook is not None
    assert {net: counts.images for net, counts in kept.items()} == {'student': 1, 'teacher': 1}


# ---------------------------------------------------------------------- files


def write_images(folder):
    rng = np.random.default_rng(0)
    for kind in ('images', 'masks'):
        (folder / kind).mkdir(parents=True)
    for name in ('a<script>', 'b', 'c', 'd'):
        image = rng.integers(0, 256, (*SIZE, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / 'images' / f'{name}.png'), image)
        cv2.imwrite(str(folder / 'masks' / f'{name}.png'), rng.choice([0, 1, 2, 255], SIZE))
    (folder / 'labelled.txt').write_text('a<script>\nb\n')
    (folder / 'monitor.txt').write_text('b\nc\n')


def files_runner(folder, **hook):
    dataset = {
        'type': 'BaseSegDataset',
        'data_root': str(folder),
        'data_prefix': {'img_path': 'images', 'seg_map_path': 'masks'},
        'img_suffix': '.png',
        'metainfo': {'classes': ['<script>x</script>', 'b/c', 'd']},
        'pipeline': [
            {'type': 'LoadImageFromFile'},
            {'type': 'LoadAnnotations'},
            {'type': 'PackSegInputs'},
        ],
    }
    cfg = runner_cfg(
        folder / 'work',
        plain_cfg(size=SIZE),
        hooks=[{**REPORT, **hook}],
        experiment_name=folder.name,
    )
    cfg.update(validation_cfg(1, 2))
    cfg['val_cfg'] = {'type': 'ValLoop'}
    cfg['train_dataloader']['dataset'] = {**dataset, 'ann_file': 'labelled.txt'}
    cfg['train_dataloader']['batch_size'] = 2
    cfg['val_dataloader']['dataset'] = dataset
    return Runner.from_cfg(cfg)


def test_worst_images_monitor_and_names_of_files_and_classes(tmp_path):
    write_images(tmp_path)
    runner = files_runner(tmp_path, monitor=str(tmp_path / 'monitor.txt'))
    warnings = []
    runner.logger.warning = lambda message, *args: warnings.append(str(message))
    runner.train()
    assert [w for w in warnings if 'monitored images are labelled' in w] == [
        '1 of 2 monitored images are labelled training images, such as '
        f'{tmp_path}/images/b.png: what is said of their pseudo-labels is too good; take them from '
        'the list.'
    ]
    [log] = (tmp_path / 'work').glob(f'*/{FOLDER}/validation_00000002.json')
    record = json.loads(log.read_text())
    assert record['monitor']['images'] == 2 and len(record['worst']) == 3
    assert [each['iou'] for each in record['worst']] == sorted(e['iou'] for e in record['worst'])
    html = (tmp_path / 'work' / 'report.html').read_text()
    assert '<script' not in html
    assert '<script>x</script>' in ''.join(PageReader(html).text)
    for file in log.parent.glob('worst_*.jpg'):
        assert cv2.imread(str(file)).shape == (*SIZE, 3)


def test_a_monitor_that_is_not_there_is_a_warning(tmp_path, caplog):
    write_images(tmp_path)
    runner = files_runner(tmp_path, monitor='absent.txt')
    with caplog.at_level(logging.WARNING):
        [warning] = train_and_catch(runner)
    assert warning.startswith('ReportHook: the monitored images failed')
    assert runner.iter == 2 and (tmp_path / 'work' / 'report.html').is_file()
