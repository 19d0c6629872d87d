"""Makes `helpers` importable, and bare names such as `dict(type='FCNHead')` known."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import helpers  # noqa: F401  (registers the tiny network)
from mmengine.registry import init_default_scope

import mmseg_contrast  # noqa: F401
from mmseg_contrast.report.records import ImageSet, NetRecord, Start, Validation
from mmseg_contrast.report.run_data import RunData

CLASSES = ['sky', '<script>alert(1)</script>', 'road/lane']
#: Sky and road are found, and half of the second class is taken for road.
CONFUSION = [[80, 0, 0], [0, 5, 5], [2, 0, 8]]


@pytest.fixture(autouse=True)
def scope(fresh_mmengine):
    init_default_scope('mmseg')


@pytest.fixture
def make_net():
    """Make what a validation says of a net that is right as often as it says."""

    def make(confusion=CONFUSION, confidence=0.5, right=0.5, **kwargs):
        place = min(int(confidence * 15), 14)
        bins = [
            [100.0 * v if i == place else 0.0 for i in range(15)] for v in (1, confidence, right)
        ]
        return NetRecord(confusion, bins, **{'cross_entropy': 1.0, **kwargs})

    return make


@pytest.fixture
def make_run(make_net):
    """Make a run of 1,000 iterations that is over, and of which nothing stands out."""

    def make(curves=(), nets=None, validations=None, monitor=None, burn_in=0, max_iters=1000):
        steps = range(50, 1001, 50)
        sound = {
            'lr': [(s, 0.1 * (1 - s / 1001)) for s in steps],
            'time': [(s, 1.0) for s in steps],
            'data_time': [(s, 0.01) for s in steps],
            'unsup.coverage': [(s, 0.7) for s in steps],
            'sup.decode.loss_ce': [(s, 50 / s) for s in steps],
            'student/mIoU': [(500, 60.0), (750, 60.5), (1000, 61.0)],
            'teacher/mIoU': [(500, 60.0), (750, 60.5), (1000, 61.0)],
        }
        for name in ('sky', '<script>alert(1)<-script>', 'road-lane'):
            for kind in ('sup', 'unsup'):
                sound[f'{kind}.share/{name}'] = [(s, 1 / 3) for s in steps]
        start = Start(
            iteration=0,
            max_iters=max_iters,
            burn_in=burn_in,
            seed=0,
            processes=1,
            command='python tools/train.py my.py',
            time='2026-01-01 10:00',
            classes=[*CLASSES],
            palette=[[0, 0, 255], [255, 0, 0], [0, 255, 0]],
            sets=[ImageSet('labelled', 10, 4), ImageSet('unlabelled', 100, 4)],
            environment={'torch': '2.9'},
        )
        if validations is None:
            nets = nets or {'student': make_net(), 'teacher': make_net()}
            validations = [Validation(1000, {}, nets, [], monitor)]
        run = RunData('run <b>1</b>', Path('work_dirs/run'), {**sound, **dict(curves)}, [start])
        run.validations = validations
        return run

    return make
