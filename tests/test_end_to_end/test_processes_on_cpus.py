"""tools/dist_train.sh and dist_test.sh without a GPU: they train, resume and test in two processes."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmseg_contrast.report.measures import iou_of
from mmseg_contrast.report.run_data import read_run

from .conftest import MAX_ITERS, TOOLS

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason='there are GPUs to take')
if sys.platform == 'win32':
    pytest.skip('the tools are shell scripts', allow_module_level=True)


def launch(project, tool, *arguments):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}',
        'PORT': str(port),
        'OMP_NUM_THREADS': '1',
    }
    done = subprocess.run(
        ['bash', str(TOOLS / tool), *map(str, arguments)],
        cwd=project.root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope='module')
def pair(project):
    folder = project.work_dirs / 'pair'
    code, printed = launch(project, 'dist_train.sh', project.config, 2, '--work-dir', folder)
    assert code == 0, printed[-3000:]
    assert printed.count('sync_bn is left out') == 1
    return project


def test_a_resumed_run_ends_as_an_uninterrupted_one(pair):
    folder = pair.work_dirs / 'pair_resumed'
    folder.mkdir()
    half = folder / f'iter_{MAX_ITERS // 2}.pth'
    shutil.copy(pair.work_dirs / 'pair' / half.name, half)
    (folder / 'last_checkpoint').write_text(str(half))
    arguments = (pair.config, 2, '--work-dir', folder, '--resume')
    code, printed = launch(pair, 'dist_train.sh', *arguments)
    assert code == 0, printed[-3000:]
    pair.assert_same_end('pair', 'pair_resumed')


def test_the_report_counts_the_pixels_of_all_processes(pair):
    folder = pair.work_dirs / 'pair'
    assert (folder / 'report.html').is_file()
    [log] = folder.glob('*/*.log')
    assert 'ReportHook:' not in log.read_text()
    record = read_run(folder).validations[-1]
    masks = (pair.root / 'data').rglob('annotations/val/*.png')
    known = sum(int((cv2.imread(str(path), 0) != 255).sum()) for path in masks)
    assert known > 0
    for net in ('student', 'teacher'):
        confusion = np.array(record.nets[net].confusion)
        assert confusion.sum() == known
        assert record.metrics[f'{net}/mIoU'] == pytest.approx(
            100 * np.nanmean(iou_of(confusion)), abs=0.01
        )


def test_the_test_has_the_scores_of_one_process(pair):
    checkpoint = pair.work_dirs / 'pair' / f'iter_{MAX_ITERS}.pth'
    folder = pair.work_dirs / 'pair_tested'
    code, printed = launch(pair, 'dist_test.sh', pair.config, checkpoint, 2, '--work-dir', folder)
    assert code == 0, printed[-3000:]
    [path] = folder.glob('*/*.json')
    pair.ours('test.py', pair.config, checkpoint, '--work-dir', pair.work_dirs / 'one_tested')
    one, two = pair.scores('one_tested'), json.loads(path.read_text())
    for key in ('aAcc', 'mIoU', 'mAcc'):
        assert two[key] == one[key], key
