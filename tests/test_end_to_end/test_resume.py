"""A run that was interrupted ends exactly where an uninterrupted one does."""

import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

TOOLS = Path(__file__).parents[2] / 'tools'
MAX_ITERS = 8


def test_the_run_has_something_to_lose(trained):
    """Each kind of state moves, so that equal ends mean something."""
    early, late = (trained.checkpoint('full', k)['state_dict'] for k in (5, MAX_ITERS))
    for key in (
        'decode_head.conv_seg.weight',
        'teacher.decode_head.conv_seg.weight',
        'teacher.backbone.bn1.running_mean',
        'selector.doubts',
    ):
        assert not torch.equal(early[key], late[key]), key
    assert (early['ema_steps'], late['ema_steps']) == (3, 6)
    assert any(line.get('unsup.loss_consistency', 0) > 0 for line in trained.log('full'))


@pytest.mark.parametrize(
    ('iteration', 'num_workers', 'tool'),
    [(1, 0, 'mmseg'), (4, 0, 'ours'), (5, 1, 'mmseg')],
    ids=['in the burn-in', 'after the validation', 'after the burn-in, with a worker'],
)
def test_resumed_is_uninterrupted(trained, iteration, num_workers, tool):
    name = f'resumed_{iteration}'
    work_dir = trained.work_dirs / name
    work_dir.mkdir()
    left = work_dir / f'iter_{iteration}.pth'
    shutil.copy(trained.work_dirs / 'full' / left.name, left)
    (work_dir / 'last_checkpoint').write_text(str(left))
    options = [f'train_dataloader.num_workers={num_workers}']
    getattr(trained, tool)(
        'train.py', trained.config, '--work-dir', work_dir, '--resume', '--cfg-options', *options
    )
    steps = [line['iter'] for line in trained.log(name) if 'iter' in line]
    assert steps == list(range(iteration + 1, MAX_ITERS + 1))
    trained.assert_same_end('full', name)


def test_a_killed_run_goes_on_from_its_last_checkpoint(trained):
    """SIGKILL in mid-training; then `--resume`, beside a half-written checkpoint."""
    interval = 2
    work_dir = trained.work_dirs / 'killed'
    train = [trained.config, '--work-dir', work_dir, '--cfg-options']
    train += [f'default_hooks.checkpoint.interval={interval}', 'default_hooks.logger.interval=1']
    process = trained.start(TOOLS / 'train.py', *train)
    last = work_dir / 'last_checkpoint'
    try:
        while not last.is_file() or not last.read_text():
            assert process.poll() is None, process.communicate()[0][-3000:]
            time.sleep(0.005)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    saved = int(last.read_text().removesuffix('.pth').rsplit('_', 1)[-1])
    assert saved < MAX_ITERS, 'it was killed too late to test anything'
    done = max(line['iter'] for line in trained.log('killed') if 'iter' in line)
    assert saved <= done <= saved + interval

    torn = work_dir / f'iter_{saved + interval}.pth'
    torn.write_bytes((work_dir / f'iter_{saved}.pth').read_bytes()[:5000])
    before = len(trained.log('killed'))
    trained.ours('train.py', train[0], '--resume', *train[1:])
    steps = [line['iter'] for line in trained.log('killed')[before:] if 'iter' in line]
    assert steps == list(range(saved + 1, MAX_ITERS + 1))
    trained.assert_same_end('full', 'killed')


def test_labels_alone_resumed_are_uninterrupted(project):
    cfg = Config.fromfile(TOOLS.parent / 'configs' / 'baselines' / 'sup_mosaic.py')
    here = {'num_workers': 0, 'persistent_workers': False}
    cfg.merge_from_dict(
        {
            'train_dataloader': {'batch_size': 4, 'sampler': {'batch_size': 4}, **here},
            'val_dataloader': here,
            'test_dataloader': here,
            'train_cfg': {'max_iters': MAX_ITERS, 'val_interval': MAX_ITERS},
            'default_hooks.checkpoint': {'interval': 1, 'max_keep_ckpts': -1},
        }
    )
    cfg.param_scheduler[0].end = MAX_ITERS
    path = project.root / 'sup.py'
    cfg.dump(path)
    project.ours('train.py', path, '--work-dir', project.work_dirs / 'sup')
    left = project.work_dirs / 'sup_resumed' / 'iter_3.pth'
    left.parent.mkdir()
    shutil.copy(project.work_dirs / 'sup' / left.name, left)
    (left.parent / 'last_checkpoint').write_text(str(left))
    workers = ['train_dataloader.num_workers=1', 'train_dataloader.persistent_workers=True']
    project.ours('train.py', path, '--work-dir', left.parent, '--resume', '--cfg-options', *workers)
    early, late = (project.checkpoint('sup', k)['state_dict'] for k in (3, MAX_ITERS))
    assert not torch.equal(*(s['decode_head.conv_seg.weight'] for s in (early, late)))
    project.assert_same_end('sup', 'sup_resumed')
