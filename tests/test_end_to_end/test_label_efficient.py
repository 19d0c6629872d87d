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

from mmseg_contrast.run_folder import locked
from mmseg_contrast.tooling.chain import TRAINED, Request, read_chain, run_chain

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


def run(user, name, options=None, stop=None, chain='chain_tiny.py', **more):
    """Run the chain with its tools in this process; stop before the n-th tool."""
    calls = []

    def tool(script, *arguments):
        if len(calls) == stop:
            raise Stop
        calls.append(script)
        user.ours(script, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(user.root)
        work_dir = Path('work_dirs') / name
        request = Request(options or {}, **more)
        results = run_chain(read_chain(Path(chain)), work_dir, tool, request)
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


def test_the_second_pretraining_may_go_on_from_the_fine_tuned_net(user, finished):
    path = user.root / 'pretrain_mosaic-semi.py'
    text = path.read_text()
    folder = user.root / 'work_dirs' / 'chain_goes_on'
    for part in ('pretrain', 'finetune', 'pseudo_labels', 'configs'):
        shutil.copytree(finished[2] / part, folder / part)
    shutil.copy(finished[2] / 'run.json', folder)
    for stage in TRAINED[:2]:
        (folder / stage / 'last_checkpoint').write_text(str(folder / stage / f'iter_{ITERS}.pth'))
    try:
        cfg = Config.fromfile(path)
        cfg.load_from = 'a_fine-tuned_net.pth'
        cfg.dump(path)
        run(user, 'chain_goes_on')
        with pytest.raises(FileExistsError, match=r'semi_pretrain\.load_from: it was None'):
            run(user, 'chain_full')
        with pytest.raises(Stop):
            outside = str(finished[2] / 'pretrain' / f'iter_{ITERS}.pth')
            run(user, 'chain_outside', stop=0, pretrain_options={'load_from': outside})
    finally:
        path.write_text(text)
    key = 'backbone.bn1.num_batches_tracked'
    assert [int(weights(folder, stage)[key]) // ITERS for stage in TRAINED] == [1, 2, 3, 4]
    configs = user.root / 'work_dirs' / 'chain_outside' / 'configs'
    for stage in TRAINED[::2]:
        assert Config.fromfile(configs / f'{stage}.py').load_from == outside


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
    folder = user.root / 'work_dirs' / 'chain cut'
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
        run(user, 'chain cut', stop=2)
    assert {p: p.stat().st_mtime_ns for p in kept} == kept, 'finished masks are left alone'
    assert all(path.is_file() for path in gone)
    assert not (folder / 'semi_pretrain').exists()
    results, calls, _ = run(user, 'chain cut')
    assert calls == ['test.py', 'train.py', 'train.py']
    assert results == finished[0]
    assert_same_end(finished[2], folder)


@pytest.mark.parametrize('whole_group', [True, False])
def test_killed_in_a_training(user, finished, whole_group):
    """SIGKILL to the command and its processes, or SIGTERM to it alone, while the fine-tuning trains."""
    name = f'chain_killed_{whole_group}'
    folder = user.root / 'work_dirs' / name
    for part in ('pretrain', 'configs'):
        shutil.copytree(finished[2] / part, folder / part)
    shutil.copy(finished[2] / 'run.json', folder)
    command = [sys.executable, TOOLS / 'train_label_efficient.py', 'chain_tiny.py']
    process = subprocess.Popen(
        [*map(str, command), '--work-dir', f'work_dirs/{name}'],
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
        if whole_group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.terminate()
        process.communicate()
    assert process.returncode == (-signal.SIGKILL if whole_group else 128 + signal.SIGTERM)
    with locked(folder):
        pass  # nobody is at work there any more
    assert not (folder / 'finetune' / f'iter_{ITERS}.pth').is_file(), 'it was killed too late'
    with pytest.raises(Stop):
        run(user, name, stop=1)
    assert_same_weights(finished[2], folder, 'finetune')


def test_another_chain_does_not_get_the_folder(user, finished):
    with pytest.raises(FileExistsError, match=r'pretrain.randomness.seed: it was 0 .* and is 7'):
        run(user, 'chain_full', {'randomness.seed': 7})
    other = (user.root / 'chain_tiny.py').read_text().replace(str(THRESHOLD), '0.5')
    (user.root / 'chain_sure.py').write_text(other)
    with pytest.raises(FileExistsError, match=r'masks in .* have the thresholds .*0\.12'):
        run(user, 'chain_full', chain='chain_sure.py')


def test_a_chain_may_keep_a_share_of_each_class(user, finished):
    text = (user.root / 'chain_tiny.py').read_text()
    for keep_ratio in (0.5, 0.4):
        changed = text.replace(
            f'threshold={THRESHOLD}', f'threshold=0.999, tta=True, keep_ratio={keep_ratio}'
        )
        (user.root / f'chain_{keep_ratio}.py').write_text(changed)
    folder = user.root / 'work_dirs' / 'chain_balanced'
    shutil.copytree(finished[2] / 'pretrain', folder / 'pretrain')
    shutil.copytree(finished[2] / 'finetune', folder / 'finetune')
    shutil.copytree(finished[2] / 'configs', folder / 'configs')
    shutil.copy(finished[2] / 'run.json', folder)
    with pytest.raises(Stop):
        run(user, 'chain_balanced', stop=1, chain='chain_0.5.py')
    report = json.loads((folder / 'pseudo_labels' / 'report.json').read_text())
    seen = [row for row in report['classes'].values() if row['predicted']]
    assert all(row['coverage'] >= 0.5 for row in seen)
    assert report['tta'] is True
    with pytest.raises(FileExistsError, match=r'keep_ratio 0\.5, and now it is 0\.4'):
        run(user, 'chain_balanced', chain='chain_0.4.py')


def test_what_has_not_begun_may_change(user, finished):
    folder = user.root / 'work_dirs' / 'chain_changed'
    for part in ('pretrain', 'configs'):
        shutil.copytree(finished[2] / part, folder / part)
    shutil.copy(finished[2] / 'run.json', folder)
    (folder / 'pretrain' / 'last_checkpoint').write_text(
        str(folder / 'pretrain' / f'iter_{ITERS}.pth')
    )
    path = user.root / 'finetune_mosaic.py'
    text = path.read_text()
    try:
        path.write_text(text.replace('weight_decay=0.01', 'weight_decay=0.02'))
        with pytest.raises(Stop):
            run(user, 'chain_changed', stop=0)
    finally:
        path.write_text(text)
    assert 'weight_decay=0.02' in (folder / 'configs' / 'finetune.py').read_text()
    weaker = {'pretrain_options': {'model.distortion_prob': 0.5}}
    with pytest.raises(FileExistsError, match=r'pretrain\.model\.distortion_prob: it was 0\.8'):
        run(user, 'chain_changed', stop=0, **weaker)
    with pytest.raises(Stop):
        run(user, 'chain_new', stop=0, **weaker)
    configs = user.root / 'work_dirs' / 'chain_new' / 'configs'
    found = [Config.fromfile(configs / f'{stage}.py').model for stage in TRAINED]
    assert [model.get('distortion_prob') for model in found] == [0.5, None, 0.5, None]


@pytest.mark.parametrize(
    ('options', 'chain', 'said'),
    [
        (
            {'model.distortion_prob': 0.5},
            None,
            'finetune model.distortion_prob.*--pretrain-options',
        ),
        ({'val_dataloader.batch_size': 2}, None, 'pretrain val_dataloader.*is None.*--finetune-o'),
        ({'val_evaluator.prefix': 'a'}, None, 'pretrain val_evaluator.*is None.*--finetune-o'),
        (
            {
                'semi_finetune.train_dataloader.sampler.batch_size': 3,
                'semi_finetune.train_dataloader.batch_size': 3,
            },
            None,
            r'semi_finetune cannot be built: .*source_ratio=\[1, 1\] divides batch_size=3',
        ),
        (
            {'semi_pretrain.param_scheduler.0.type': 'CosineLR'},
            None,
            'semi_pretrain cannot be built: .*CosineLR',
        ),
        (
            {'finetune.optim_wrapper.optimizer.betas': [1, 1]},
            None,
            'finetune cannot be built: Invalid beta',
        ),
        (
            {'semi_finetune.default_hooks.checkpoint.save_last': False},
            None,
            'semi_finetune cannot be built: default_hooks.checkpoint saves no checkpoint of the last',
        ),
        ({'train_cfg.max_iters': 0}, None, 'train_cfg.max_iters=0: give 1 or more'),
        ({'load_from': 'a.pth'}, None, 'finetune load_from: .* begins with the weights of its'),
        ({'semi_finetune.pseudo_labels': 'a'}, None, 'these masks are made by the chain'),
        ({'resume': True}, None, 'pretrain resume: this tool sets resume itself'),
        ({'trian_cfg.max_iters': 2}, None, 'did you mean train_cfg'),
        ({}, ('threshold', 'class_thresholds=dict(gras=0.5), threshold'), "did you mean 'grass'"),
        ({}, ('threshold', 'keep_ratio=5, threshold'), 'keep_ratio=5 is no share'),
        ({}, ('threshold', 'treshold'), "unexpected keyword argument 'treshold'"),
    ],
)
def test_nothing_begins_that_cannot_end(user, options, chain, said):
    text = (user.root / 'chain_tiny.py').read_text()
    (user.root / 'chain_wrong.py').write_text(text.replace(*chain, 1) if chain else text)
    with pytest.raises((ValueError, KeyError), match=said):
        run(user, 'chain_wrong', options, stop=0, chain='chain_wrong.py')
    assert not (user.root / 'work_dirs' / 'chain_wrong').exists()


def test_weights_from_outside_are_missed_before_the_training(user):
    with pytest.raises(OSError, match=r'gone\.pth'):
        run(user, 'chain_wrong', stop=0, pretrain_options={'load_from': 'gone.pth'})


def test_a_full_disk_is_told_before_the_training(user, monkeypatch):
    usage = shutil.disk_usage(user.root)._replace(free=(1 << 20) + 1)
    monkeypatch.setattr('mmseg_contrast.tooling.chain.shutil.disk_usage', lambda _: usage)
    with pytest.raises(OSError, match=r'checkpoints need at least \d+ MiB, and 1 MiB are free'):
        run(user, 'chain_wrong', stop=0)


def config_of(user, name, stage):
    return Config.fromfile(user.root / 'work_dirs' / name / 'configs' / f'{stage}.py')


def test_a_stage_that_wrote_no_checkpoint_may_be_mended(user):
    wrong = {'semi_finetune.optim_wrapper.optimizer.lr': 9.0}
    with pytest.raises(Stop):
        run(user, 'chain_mended', wrong, stop=0)
    for stage in TRAINED:
        (user.root / 'work_dirs' / 'chain_mended' / stage).mkdir()
    for stage in TRAINED[:2]:
        folder = user.root / 'work_dirs' / 'chain_mended' / stage
        (folder / 'last_checkpoint').write_text(str(folder / f'iter_{ITERS}.pth'))
    with pytest.raises(FileExistsError, match=r'finetune\.optim_wrapper\.optimizer\.lr: it was'):
        run(user, 'chain_mended', {'finetune.optim_wrapper.optimizer.lr': 9.0}, stop=0)
    with pytest.raises(Stop):
        run(user, 'chain_mended', {'semi_finetune.optim_wrapper.optimizer.lr': 0.5}, stop=0)
    lr = [config_of(user, 'chain_mended', s).optim_wrapper.optimizer.lr for s in TRAINED]
    assert lr[3] == 0.5 and len(set(lr[:3])) == 1


def test_a_number_of_labels_is_drawn(user):
    listed = [
        (user.root / 'data/mosaic/lists' / name).read_text().split()
        for name in ('mosaic.0@8.txt', 'mosaic.0@8-unlabeled.txt')
    ]
    images = sorted(listed[0] + listed[1])
    drawn = {}
    for labels in ('3', '5'):
        with pytest.raises(Stop):
            run(user, f'chain_{labels}', stop=0, labels=labels, fold=1)
        for stage in TRAINED:
            cfg = config_of(user, f'chain_{labels}', stage)
            paths = [source.ann_file for source in cfg.train_dataloader.dataset.datasets]
            drawn[labels] = [Path(path).read_text().split() for path in paths]
            assert len(drawn[labels][0]) == int(labels)
    order = np.random.RandomState((0, 1)).permutation(len(images))
    assert drawn['5'][0] == [images[index] for index in order[:5]]
    assert drawn['3'][0] == drawn['5'][0][:3]
    assert sorted(drawn['3'][0] + drawn['3'][1]) == images


def test_a_list_of_labels_is_taken(user):
    names = (user.root / 'data/mosaic/lists/mosaic.0@8-unlabeled.txt').read_text().split()[:2]
    (user.root / 'mine.txt').write_text('\n'.join(names))
    with pytest.raises(Stop):
        run(user, 'chain_mine', stop=0, labels='mine.txt')
    lists = [
        Path(source.ann_file).read_text().split()
        for source in config_of(
            user, 'chain_mine', 'semi_pretrain'
        ).train_dataloader.dataset.datasets
    ]
    assert lists[0] == names and len(lists[1]) == 12
    with pytest.raises(ValueError, match='--labels many: give a number of images, or a list'):
        run(user, 'chain_none', stop=0, labels='many')


def test_without_a_pretraining(user):
    results, calls, folder = run(user, 'chain_scratch', pretraining=False)
    assert calls == ['train.py', 'pseudo_label.py', 'train.py']
    assert set(results) == {'finetune', 'semi_finetune'}
    for stage in ('finetune', 'semi_finetune'):
        cfg = config_of(user, 'chain_scratch', stage)
        assert cfg.load_from is None
        assert cfg.train_cfg.max_iters == cfg.param_scheduler[0].end == 2 * ITERS
        assert (folder / stage / f'iter_{2 * ITERS}.pth').is_file()
    with pytest.raises(ValueError, match='--pretrain-options change nothing without'):
        run(user, 'chain_x', pretraining=False, pretrain_options={'train_cfg.max_iters': 3})


def test_views_that_are_not_there_are_missed_before_the_training(user):
    text = (user.root / 'chain_tiny.py').read_text()
    (user.root / 'chain_views.py').write_text(text.replace('threshold', 'tta=True, threshold', 1))
    path = user.root / 'finetune_mosaic.py'
    finetune = path.read_text()
    try:
        path.write_text(finetune.replace('tta_pipeline', 'no_pipeline'))
        with pytest.raises(ValueError, match='tta needs tta_pipeline in '):
            run(user, 'chain_views', stop=0, chain='chain_views.py')
    finally:
        path.write_text(finetune)
    assert not (user.root / 'work_dirs' / 'chain_views').exists()


def test_two_commands_do_not_work_in_one_folder(user, finished):
    with locked(finished[2]), pytest.raises(BlockingIOError, match='another process is at work'):
        run(user, 'chain_full')


def command_to_label(finished, out):
    folder = finished[2] / 'finetune'
    return (
        'pseudo_label.py',
        finished[2] / 'configs' / 'finetune.py',
        folder / f'iter_{ITERS}.pth',
        '--images=data/mosaic/images/train',
        '--list=data/mosaic/lists/mosaic.0@8-unlabeled.txt',
        f'--out={out}',
    )


def label(user, finished, out, *arguments):
    user.ours(*command_to_label(finished, out), *arguments)


def label_in_two_processes(user, finished, out, *arguments):
    tool, *common = command_to_label(finished, out)
    launch = '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2', TOOLS / tool
    process = user.start(*launch, *common, *arguments, '--launcher=pytorch')
    printed = process.communicate()[0]
    assert process.returncode == 0, printed[-3000:]
    return printed


def test_thresholds_by_name_and_views(user, finished):
    label(user, finished, 'pseudo', '--threshold=0', '--class-threshold', 'grass=0.99', '--tta')
    report = json.loads((user.root / 'pseudo' / 'report.json').read_text())
    rows = report['classes']
    assert rows['grass']['kept'] == 0
    for name, row in rows.items():
        assert row['threshold'] == (0.99 if name == 'grass' else 0)
        assert name == 'grass' or row['kept'] == row['predicted']
    assert report['tta'] is True


def test_at_least_a_share_of_each_class(user, finished):
    """Two processes find the thresholds of one, and a second command takes those that are there."""
    # an odd number: a process that got an image twice would count it twice
    names = (user.root / 'data/mosaic/lists/mosaic.0@8-unlabeled.txt').read_text().split()[:7]
    (user.root / 'seven.txt').write_text('\n'.join(names))
    listed = '--list=seven.txt'
    label(user, finished, 'surest', '--threshold=0.999', '--keep-ratio=0.5', listed)
    medians = json.loads((user.root / 'surest' / 'thresholds.json').read_text())
    cap = sorted(medians.values())[-2]
    arguments = f'--threshold={cap}', '--keep-ratio=0.5', '--class-threshold=grass=0.99', listed
    label(user, finished, 'balanced', *arguments)
    one = user.root / 'balanced'
    report = json.loads((one / 'report.json').read_text())
    assert report['keep_ratio'] == 0.5
    lowered = {name: min(value, cap) for name, value in medians.items()}
    assert report['thresholds'] == {**lowered, 'grass': min(medians['grass'], 0.99)}
    assert len(set(lowered.values())) > 1 and max(medians.values()) > cap
    assert all(row['coverage'] >= 0.5 for row in report['classes'].values() if row['predicted'])

    label_in_two_processes(user, finished, 'balanced_2', *arguments)
    for name in ('thresholds.json', 'report.csv'):
        assert (user.root / 'balanced_2' / name).read_bytes() == (one / name).read_bytes()

    # killed while it wrote masks
    (one / 'report.json').unlink()
    mask = next((one / 'masks').iterdir())
    written = mask.read_bytes()
    mask.unlink()
    kept = json.loads((one / 'thresholds.json').read_text())
    kept['grass'] += 1e-9
    (one / 'thresholds.json').write_text(json.dumps(kept))
    label(user, finished, 'balanced', *arguments)
    assert json.loads((one / 'report.json').read_text())['thresholds'] == kept
    assert mask.read_bytes() == written


def test_two_processes_write_what_one_writes(user, finished):
    printed = label_in_two_processes(user, finished, 'pseudo_2', f'--threshold={THRESHOLD}')
    assert '4/4' in printed and '8/8' not in printed, 'each takes half of the images'
    one, two = finished[2] / 'pseudo_labels', user.root / 'pseudo_2'
    masks = sorted(p.name for p in (one / 'masks').iterdir())
    assert masks == sorted(p.name for p in (two / 'masks').iterdir())
    for name in ('report.csv', *(f'masks/{mask}' for mask in masks)):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_how_many_labels_are_right(user, finished, capsys):
    truth = user.root / 'data/mosaic/annotations/train'
    labeled = f'--threshold={THRESHOLD}', '--list=data/mosaic/lists/mosaic.0@8.txt'
    label(user, finished, 'right', *labeled)
    before = {path: path.stat().st_mtime_ns for path in (user.root / 'right/masks').iterdir()}
    label(user, finished, 'right', *labeled, f'--masks={truth}')
    assert before == {path: path.stat().st_mtime_ns for path in before}, 'nothing is labelled twice'
    assert 'confused_with' in capsys.readouterr().out
    pairs = [
        [np.asarray(Image.open(path)).ravel() for path in (truth / label.name, label)]
        for label in before
    ]
    true, labels = (np.concatenate(each) for each in zip(*pairs))
    with open(user.root / 'right/precision.csv') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    for index, row in enumerate(rows):
        own = true[(labels == index) & (true != 255)]
        right = f'{np.mean(own == index):.6f}' if len(own) else 'nan'
        assert float(row['precision'] or 'nan') == pytest.approx(float(right), nan_ok=True)
    assert any(row['precision'] for row in rows) and any(row['confused_with'] for row in rows)
    label_in_two_processes(user, finished, 'right_2', *labeled, f'--masks={truth}')
    one, two = (user.root / out / 'precision.csv' for out in ('right', 'right_2'))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ('out', 'arguments', 'said'),
    [
        ('work_dirs/chain_full/pseudo_labels', ['--threshold=0.5'], 'thresholds was'),
        ('data', [], 'holds files and no run.json'),
        ('new', ['--class-threshold', 'gras=0.5'], "did you mean 'grass'"),
        ('new', ['--threshold=1.5'], 'the threshold 1.5 of grass'),
        ('new', ['--keep-ratio=50'], 'keep_ratio=50.0 is no share'),
        ('work_dirs/chain_full/pseudo_labels', ['--keep-ratio=0.5'], 'keep_ratio was None'),
        ('new', ['--list=none.txt'], 'none.txt'),
        ('new', ['--masks=data/mosaic/images'], '8 of 8 true masks are missing, the first is data'),
    ],
)
def test_what_it_cannot_do_is_one_sentence(user, finished, out, arguments, said):
    with pytest.raises(SystemExit) as end:
        label(user, finished, out, *arguments)
    assert said in str(end.value)
    assert not (user.root / 'new').exists()


@pytest.mark.parametrize(
    ('config', 'checkpoint', 'said'),
    [
        ('configs/finetune.py', f'pretrain/iter_{ITERS}.pth', 'it lacks decode_head.conv_seg'),
        ('configs/pretrain.py', f'pretrain/iter_{ITERS}.pth', 'has no classifier'),
        ('configs/finetune.py', 'results.json', 'results.json is no checkpoint'),
    ],
)
@pytest.mark.parametrize('tool', ['pseudo_label.py', 'test.py'])
def test_what_has_no_classifier_predicts_nothing(user, finished, tool, config, checkpoint, said):
    arguments = ['--images=data/mosaic/images/train', '--out=untrained']
    if tool == 'test.py':
        arguments = ['--work-dir=untrained']
    with pytest.raises(SystemExit) as end:
        user.ours(tool, finished[2] / config, finished[2] / checkpoint, *arguments)
    assert said in str(end.value)
    assert not list((user.root / 'untrained').rglob('*.png'))
    shutil.rmtree(user.root / 'untrained', ignore_errors=True)


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
        config = finished[2] / 'configs' / f'{stage}.py'
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
