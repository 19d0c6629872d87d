"""The chain of label-efficient training: killed anywhere, it ends with the same files."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mmseg_contrast.utils.chain import TRAINED, read_chain, run_chain

REPO = Path(__file__).parents[2]
TOOLS = REPO / 'tools'
FOLDER = REPO / 'configs' / 'label_efficient'
ITERS = 4
THRESHOLD = 0.12  # hardly trained nets are sure of nothing


def write_chain(root):
    """Shorten the mosaic chain: everything but numbers stays as a user gets it."""
    chain = Config.fromfile(FOLDER / 'chain_mosaic.py')
    in_process = {'num_workers': 0, 'persistent_workers': False}
    for stage in TRAINED:
        cfg = Config.fromfile(FOLDER / chain[stage])
        batch = 2 * len(cfg.train_dataloader.dataset.datasets)
        cfg.train_dataloader.update(batch_size=batch, **in_process)
        cfg.train_dataloader.sampler.batch_size = batch
        cfg.test_dataloader.update(in_process)
        cfg.train_cfg.update(max_iters=ITERS, val_interval=ITERS)
        cfg.default_hooks.logger.interval = 1
        cfg.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=1)
        if cfg.val_dataloader:
            cfg.val_dataloader.update(in_process)
        cfg.param_scheduler[0].end = ITERS
        cfg.dump(root / chain[stage])
    chain.pseudo_label.threshold = THRESHOLD
    chain.dump(root / 'chain_tiny.py')


@pytest.fixture(scope='module')
def user(project):
    write_chain(project.root)
    return project


class Stop(Exception):
    """Ends a chain between two stages."""


def run(user, name, options=None, stop=None):
    """Run the chain with its tools in this process; stop before the n-th tool."""
    calls = []

    def tool(script, *arguments):
        if len(calls) == stop:
            raise Stop
        calls.append(script)
        user.ours(script, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(user.root)
        chain = read_chain(Path('chain_tiny.py'))
        work_dir = Path('work_dirs') / name
        results = run_chain(chain, work_dir, options or {}, tool)
    return results, calls, user.root / work_dir


@pytest.fixture(scope='module')
def finished(user):
    return run(user, 'chain_full')


def weights(folder, stage):
    path = folder / stage / f'iter_{ITERS}.pth'
    return torch.load(path, map_location='cpu', weights_only=False)['state_dict']


def masks(folder):
    root = folder / 'pseudo_labels' / 'masks'
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob('*.png'))}


def assert_same_weights(one, other, stage):
    first, second = weights(one, stage), weights(other, stage)
    assert first.keys() == second.keys()
    for key in first:
        assert torch.equal(first[key], second[key]), (stage, key)


def assert_same_end(one, other):
    for stage in TRAINED:
        assert_same_weights(one, other, stage)
    assert masks(one) == masks(other)
    for name in ('results.json', 'pseudo_labels/report.csv'):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    reports = [
        json.loads((root / 'pseudo_labels/report.json').read_text()) for root in (one, other)
    ]
    for report in reports:
        del report['checkpoint_sha256']  # checkpoints hold the times of their training
    assert reports[0] == reports[1]


def test_each_stage_starts_from_the_one_before(finished):
    results, calls, folder = finished
    assert calls == ['train.py', 'train.py', 'pseudo_label.py', 'train.py', 'train.py']
    assert set(results) == {'finetune', 'semi_finetune'}
    state = {stage: weights(folder, stage) for stage in TRAINED}
    for pretrain, finetune in (TRAINED[:2], TRAINED[2:]):
        assert not any('conv_seg' in key for key in state[pretrain])
        assert any(key.startswith('projector.') for key in state[pretrain])
        assert not any(key.startswith('projector.') for key in state[finetune])
    # batch statistics of the pretraining are counted on
    key = 'backbone.bn1.num_batches_tracked'
    assert [int(state[stage][key]) for stage in TRAINED] == [ITERS, 2 * ITERS] * 2
    log = (folder / 'semi_finetune').glob('*/vis_data/scalars.json')
    last = [json.loads(line) for line in next(log).read_text().splitlines()][-1]
    assert results['semi_finetune'] == last['mIoU']


def test_masks_and_report_agree(finished):
    _, _, folder = finished
    out = folder / 'pseudo_labels'
    report = json.loads((out / 'report.json').read_text())
    found = masks(folder)
    assert len(found) == report['images'] == 8
    kept = np.zeros(256, int)
    pixels = 0
    for name in found:
        mask = np.asarray(Image.open(out / 'masks' / name))
        image = np.asarray(Image.open(folder.parents[1] / 'data/mosaic/images/train' / name))
        assert mask.shape == image.shape[:2]
        kept += np.bincount(mask.ravel(), minlength=256)
        pixels += mask.size
    assert [row['kept'] for row in report['classes'].values()] == kept[:9].tolist()
    assert sum(row['predicted'] for row in report['classes'].values()) == pixels
    assert report['coverage'] == pytest.approx(kept[:9].sum() / pixels, abs=1e-6)
    assert 0 < report['coverage'] < 1, 'else the threshold tests nothing'
    for row in report['classes'].values():
        assert row['threshold'] == THRESHOLD
        assert 0 <= row['kept'] <= row['predicted']
    with open(out / 'report.csv') as file:
        rows = list(csv.DictReader(file))
    assert {row['class']: int(row['kept']) for row in rows} == {
        name: row['kept'] for name, row in report['classes'].items()
    }
    assert len(report['checkpoint_sha256']) == 64


def test_a_finished_chain_runs_nothing_again(user, finished):
    before = {p: p.stat().st_mtime_ns for p in finished[2].rglob('*') if p.name != 'results.json'}
    results, calls, _ = run(user, 'chain_full')
    assert (results, calls) == (finished[0], [])
    after = {p: p.stat().st_mtime_ns for p in finished[2].rglob('*') if p.name != 'results.json'}
    files = [p for p in before if p.is_file()]
    assert {p: after[p] for p in files} == {p: before[p] for p in files}


def test_stopped_in_the_pseudo_labels_and_after_each_stage(user, finished):
    """What a kill leaves behind: some masks, no report; a validation that never ran."""
    folder = user.root / 'work_dirs' / 'chain_cut'
    shutil.copytree(finished[2], folder)
    for stage in TRAINED[2:]:
        shutil.rmtree(folder / stage)
    out = folder / 'pseudo_labels'
    (out / 'report.json').unlink()
    (folder / 'results.json').unlink()
    gone = sorted((out / 'masks').rglob('*.png'))[::2]
    for path in gone:
        path.unlink()
    kept = {p: p.stat().st_mtime_ns for p in (out / 'masks').rglob('*.png')}
    for scalars in (folder / 'finetune').glob('*/vis_data/scalars.json'):
        lines = scalars.read_text().splitlines()
        scalars.write_text('\n'.join(line for line in lines if 'mIoU' not in line))
    # checkpoints name their own place
    for stage in TRAINED[:2]:
        (folder / stage / 'last_checkpoint').write_text(str(folder / stage / f'iter_{ITERS}.pth'))
    with pytest.raises(Stop):
        run(user, 'chain_cut', stop=2)
    assert {p: p.stat().st_mtime_ns for p in kept} == kept, 'finished masks are left alone'
    assert all(path.is_file() for path in gone)
    assert not (folder / 'semi_pretrain').exists()
    results, calls, _ = run(user, 'chain_cut')
    assert calls == ['test.py', 'train.py', 'train.py']
    assert results == finished[0]
    assert_same_end(finished[2], folder)


def test_killed_in_a_training(user, finished):
    """SIGKILL to the command and its processes, while the fine-tuning trains."""
    folder = user.root / 'work_dirs' / 'chain_killed'
    shutil.copytree(finished[2] / 'pretrain', folder / 'pretrain')
    shutil.copy(finished[2] / 'run.json', folder)
    command = [sys.executable, TOOLS / 'train_label_efficient.py', 'chain_tiny.py']
    process = subprocess.Popen(
        [*map(str, command), '--work-dir', 'work_dirs/chain_killed'],
        cwd=user.root,
        env={**os.environ, 'PYTHONPATH': str(REPO)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    last = folder / 'finetune' / 'last_checkpoint'
    try:
        while not last.is_file() or not last.read_text():
            assert process.poll() is None, process.communicate()[0][-3000:]
            time.sleep(0.005)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert not (folder / 'finetune' / f'iter_{ITERS}.pth').is_file(), 'it was killed too late'
    with pytest.raises(Stop):
        run(user, 'chain_killed', stop=1)
    assert_same_weights(finished[2], folder, 'finetune')


def test_another_chain_does_not_get_the_folder(user, finished):
    with pytest.raises(FileExistsError, match=r'belongs to another run .configs_sha256'):
        run(user, 'chain_full', {'randomness.seed': 7})


def command_to_label(finished, out):
    folder = finished[2] / 'finetune'
    return (
        'pseudo_label.py',
        folder / 'finetune_mosaic.py',
        folder / f'iter_{ITERS}.pth',
        '--images=data/mosaic/images/train',
        '--list=data/mosaic/lists/mosaic.0@8-unlabeled.txt',
        f'--out={out}',
    )


def label(user, finished, out, *arguments):
    user.ours(*command_to_label(finished, out), *arguments)


def test_thresholds_by_name_and_views(user, finished):
    label(user, finished, 'pseudo', '--threshold=0', '--class-threshold', 'grass=0.99', '--tta')
    report = json.loads((user.root / 'pseudo' / 'report.json').read_text())
    rows = report['classes']
    assert rows['grass']['kept'] == 0
    for name, row in rows.items():
        assert row['threshold'] == (0.99 if name == 'grass' else 0)
        assert name == 'grass' or row['kept'] == row['predicted']
    assert report['tta'] is True


def test_two_processes_write_what_one_writes(user, finished):
    tool, *arguments = command_to_label(finished, 'pseudo_2')
    launch = '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2', TOOLS / tool
    process = user.start(*launch, *arguments, f'--threshold={THRESHOLD}', '--launcher=pytorch')
    printed = process.communicate()[0]
    assert process.returncode == 0, printed[-3000:]
    assert '4/4' in printed and '8/8' not in printed, 'each takes half of the images'
    one, two = finished[2] / 'pseudo_labels', user.root / 'pseudo_2'
    masks = sorted(p.name for p in (one / 'masks').iterdir())
    assert masks == sorted(p.name for p in (two / 'masks').iterdir())
    for name in ('report.csv', *(f'masks/{mask}' for mask in masks)):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


@pytest.mark.parametrize(
    ('out', 'arguments', 'said'),
    [
        ('work_dirs/chain_full/pseudo_labels', ['--threshold=0.5'], 'thresholds was'),
        ('data', [], 'holds files and no run.json'),
        ('new', ['--class-threshold', 'gras=0.5'], "did you mean 'grass'"),
        ('new', ['--threshold=1.5'], 'the threshold 1.5 of grass'),
        ('new', ['--list=none.txt'], 'none.txt'),
    ],
)
def test_what_it_cannot_do_is_one_sentence(user, finished, out, arguments, said):
    with pytest.raises(SystemExit) as end:
        label(user, finished, out, *arguments)
    assert said in str(end.value)
    assert not (user.root / 'new').exists()


def test_a_fine_tuning_without_its_pretraining_says_so(user):
    with pytest.raises(SystemExit) as end:
        user.ours('train.py', 'finetune_mosaic.py')
    assert 'there is no checkpoint work_dirs/pretrain_mosaic/iter_1000.pth' in str(end.value)


def plot(user, out, *arguments):
    tool = TOOLS / 'analysis_tools' / 'plot_embedding.py'
    user.run(tool, '--out', out, '--images=3', '--pixels=9', '--method=pca', *arguments)


def test_features_of_pretrained_and_fine_tuned_side_by_side(user, finished, capsys):
    runs = []
    for stage in TRAINED[:2]:
        folder = finished[2] / stage
        config = folder / f'{stage}_mosaic.py'
        runs += ['--run', stage, config, folder / f'iter_{ITERS}.pth']
    plot(user, 'features.png', *runs)
    assert (user.root / 'features.png').read_bytes().startswith(b'\x89PNG')
    printed = capsys.readouterr().out
    assert 'pretrain' in printed and 'silhouette' in printed
    plot(user, 'projected.png', *runs[:4], '--feature=embedding')
    for out, more, said in (
        ('features.png', [], 'exists: give another name, or add --force'),
        ('no.png', ['--feature=embedding'], 'has no contrast head'),
    ):
        with pytest.raises(SystemExit) as end:
            plot(user, out, *runs, *more)
        assert said in str(end.value)


def test_features_of_a_semi_supervised_run(trained, capsys):
    run = ['--run', 'C3', trained.config, trained.work_dirs / 'full' / 'iter_8.pth']
    for feature in ('classifier', 'embedding'):
        plot(trained, f'{feature}.png', *run, f'--feature={feature}')
        assert (trained.root / f'{feature}.png').is_file()
