from types import SimpleNamespace

import pytest
from mmengine.dataset import BaseDataset, DefaultSampler, InfiniteSampler
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from mmseg.evaluation import IoUMetric

from mmseg_contrast.datasets import MultiSourceDataset, MultiSourceSampler
from mmseg_contrast.engine.checks.loops import check_epochs_end, check_scores


class Numbers(BaseDataset):
    def load_data_list(self):
        return [{'number': number} for number in range(4)]


def samplers():
    both = MultiSourceDataset([Numbers(), Numbers()])
    return MultiSourceSampler(both, 2, [1, 1], seed=0), InfiniteSampler(both, seed=0)


@pytest.mark.parametrize('index', [0, 1])
def test_epochs_that_never_end_are_refused(index):
    sampler = samplers()[index]
    loop = object.__new__(EpochBasedTrainLoop)
    [problem] = check_epochs_end(loop, sampler)
    said = 'train_cfg: an epoch of EpochBasedTrainLoop never ends, since '
    assert str(problem).startswith(said + type(sampler).__name__)
    assert "type='IterBasedTrainLoop', max_iters=" in str(problem)
    assert check_epochs_end(object.__new__(IterBasedTrainLoop), sampler) == []
    assert check_epochs_end(loop, DefaultSampler(Numbers(), seed=0)) == []
    assert check_epochs_end(loop, SimpleNamespace()) == []


def validated(metrics, save_best, branches=()):
    hooks = [SimpleNamespace(save_best=save_best)]
    loop = SimpleNamespace(evaluator=SimpleNamespace(metrics=metrics), branches=branches)
    return check_scores(SimpleNamespace(val_loop=loop, hooks=hooks, param_schedulers=[]))


def test_scores_that_the_validation_gives():
    metrics = [IoUMetric(iou_metrics=['mIoU', 'mFscore']), IoUMetric(prefix='other')]
    names = ['aAcc', 'mIoU', 'mAcc', 'mFscore', 'mPrecision', 'mRecall', 'other/mIoU', 'other/aAcc']
    assert validated(metrics, names) == validated(metrics, 'auto') == validated(metrics, None) == []
    assert validated(metrics, 'student/mIoU', ('teacher', 'student')) == []
    assert validated([object()], 'anything') == validated([], 'anything') == []


@pytest.mark.parametrize('score', ['miou', 'student/mIoU', 'mDice'])
def test_scores_that_it_does_not_give(score):
    (problem,) = validated([IoUMetric()], ['mIoU', score])
    assert str(problem) == (
        f"SimpleNamespace.save_best: the validation gives no '{score}'; set it to one of aAcc, mAcc, mIoU."
    )
