import numpy as np
import pytest
from helpers import TinySemiDataset, runner_cfg, semi_cfg, separate_teacher, validation_cfg
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner

from mmseg_contrast.problem import SetupError

SIZE = (16, 16)
CHECKPOINT = {'type': 'CheckpointHook', 'interval': 1000, 'by_epoch': False}


def make_runner(tmp_path, model=None, **kwargs):
    hooks = [{'type': 'MeanTeacherHook'}]
    cfg = runner_cfg(
        tmp_path, model or semi_cfg(size=SIZE), hooks=hooks, experiment_name=tmp_path.name
    )
    cfg.update(validation_cfg(2, 4))
    cfg.update(kwargs)
    return Runner.from_cfg(cfg)


def miou(model, branch):
    """Mean IoU of a branch on the validation set, by counting."""
    dataset = TinySemiDataset(3, branches=False)
    owner = model.teacher if branch == 'teacher' else model
    area = np.zeros((3, 2))
    for i in range(3):
        data = model.data_preprocessor(pseudo_collate([dataset[i]]), training=False)
        predicted = owner.predict(data['inputs'], data['data_samples'])[0].pred_sem_seg.data[0]
        for c in range(3):
            a, b = predicted == c, dataset.labels[i] == c
            area[c] += [int((a & b).sum()), int((a | b).sum())]
    present = area[:, 1] > 0
    return 100 * np.mean(area[present, 0] / area[present, 1])


def test_metrics_of_both_branches(tmp_path):
    runner = make_runner(tmp_path)
    separate_teacher(runner.model)
    metrics = runner.val()
    assert set(metrics) == {
        f'{b}/{m}' for b in ('teacher', 'student') for m in ('aAcc', 'mIoU', 'mAcc')
    }
    runner.model.eval()
    for branch in ('teacher', 'student'):
        assert metrics[f'{branch}/mIoU'] == pytest.approx(miou(runner.model, branch), abs=0.01)
    assert runner.model.predict_on == 'student'


EARLY = {'type': 'EarlyStoppingHook', 'monitor': 'mIoU'}
PLATEAU = {'type': 'ReduceOnPlateauLR', 'monitor': 'mIoU'}


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (
            {'default_hooks': {'checkpoint': {**CHECKPOINT, 'save_best': 'mIoU'}}},
            'CheckpointHook.save_best',
        ),
        (
            {
                'default_hooks': {
                    'checkpoint': {**CHECKPOINT, 'save_best': ['teacher/mIoU', 'mIoU']}
                }
            },
            'CheckpointHook.save_best',
        ),
        ({'custom_hooks': [EARLY]}, 'EarlyStoppingHook.monitor'),
        ({'param_scheduler': [PLATEAU]}, 'ReduceOnPlateauLR.monitor'),
    ],
)
def test_a_score_of_no_branch_is_refused_before_training(tmp_path, options, said):
    runner = make_runner(tmp_path, **options)
    said += "='mIoU': TeacherStudentValLoop gives .*; set it to 'student/mIoU' or 'teacher/mIoU'"
    with pytest.raises(SetupError, match=said):
        runner.train()
    assert not list(tmp_path.glob('*.pth'))


@pytest.mark.parametrize('branch', ['teacher', 'student'])
def test_best_checkpoint_of_either_branch(tmp_path, branch):
    checkpoint = {**CHECKPOINT, 'save_best': f'{branch}/mIoU'}
    runner = make_runner(tmp_path, default_hooks={'checkpoint': checkpoint})
    runner.train()
    assert len(list(tmp_path.glob(f'best_{branch}_mIoU_iter_*.pth'))) == 1
    assert len(runner.message_hub.get_scalar(f'val/{branch}/mIoU').data[0]) == 2


@pytest.mark.parametrize('predict_on', ['teacher', 'student'])
def test_predict_on_is_restored_when_validation_fails(tmp_path, predict_on):
    model = semi_cfg(size=SIZE, semi_test_cfg={'predict_on': predict_on})
    runner = make_runner(tmp_path, model)
    runner.val()
    assert runner.model.predict_on == predict_on
    loop, calls = runner.val_loop, []
    run_iter = loop.run_iter

    def fail(idx, batch):
        calls.append(runner.model.predict_on)
        if len(calls) == 4:
            raise RuntimeError('disk full')
        run_iter(idx, batch)

    loop.run_iter = fail
    with pytest.raises(RuntimeError, match='disk full'):
        loop.run()
    assert calls == ['teacher'] * 3 + ['student']
    assert runner.model.predict_on == predict_on


def test_what_both_branches_paint_has_a_name_of_its_own(tmp_path):
    runner = make_runner(tmp_path)
    runner.val()
    names, loop = [], runner.val_loop
    run_iter = loop.run_iter

    def paint(name):
        names.append(name)

    def painted(idx, batch):
        run_iter(idx, batch)
        runner.visualizer.add_datasample(f'val_{idx}.png')

    loop.run_iter, runner.visualizer.add_datasample = painted, paint
    loop.run()
    assert names == [f'{branch}_val_{i}.png' for branch in ('teacher', 'student') for i in range(3)]
    assert runner.visualizer.add_datasample is paint


def test_a_plain_segmentor_is_refused(tmp_path):
    from helpers import plain_cfg

    runner = make_runner(tmp_path, plain_cfg(size=SIZE))
    with pytest.raises(SetupError, match=r'TeacherStudentValLoop.*EncoderDecoder'):
        runner.val()
