"""One run: what it trains, what it leaves, and what it refuses; the training is stood in for."""

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from tiny_benchmark import write_chain, write_project

from mmseg_contrast.run_folder import locked
from mmseg_contrast.tooling.benchmark.one_run import (
    Folders,
    complete,
    discard,
    is_finished,
    why_not,
)
from mmseg_contrast.tooling.benchmark.plan import read_benchmark
from mmseg_contrast.tooling.benchmark.results import read_result


@pytest.fixture
def file(tmp_path, monkeypatch):
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    init_default_scope('mmseg')
    return tmp_path / 'tiny.py'


@pytest.fixture
def folders(tmp_path):
    return Folders(tmp_path / 'work_dirs', tmp_path / 'results')


def run_of(file, name):
    [run] = read_benchmark(file).matching([name])
    return run


def stand_in(trained, fails=False):
    """Leave what a training leaves, with random weights."""

    def run_tool(tool, config, option, folder, resume):
        assert (tool, option, resume) == ('train.py', '--work-dir', '--resume')
        if fails:
            raise RuntimeError('train.py failed')
        cfg = Config.fromfile(config)
        trained.append(cfg)
        steps = cfg.train_cfg.max_iters
        path = cfg.work_dir = f'{folder}/iter_{steps}.pth'
        log = folder + '/20260101_000000/vis_data/scalars.json'
        for each, content in (
            (log, json.dumps({'loss': 1.0, 'time': 3.0, 'mIoU': 99.5, 'step': steps})),
            (f'{folder}/last_checkpoint', path),
        ):
            from mmseg_contrast.files import write_file

            write_file(each, content)
        torch.save({'state_dict': MODELS.build(cfg.model).state_dict()}, path)

    return run_tool


def files_of(folder):
    return sorted(path.name for path in folder.iterdir() if path.name[0] != '.')


def test_a_run_leaves_its_result_its_counts_and_its_scalars(file, folders):
    run, trained = run_of(file, 'fixmatch_*_seed1'), []
    assert not is_finished(run, folders)
    complete(run, folders, stand_in(trained))
    assert is_finished(run, folders)
    [cfg] = trained
    assert cfg.randomness.seed == 1
    assert cfg.model.selector.threshold == 0.3
    name = 'fixmatch_tiny_mosaic-2_seed1'
    assert files_of(folders.results) == [f'{name}.csv', f'{name}.json', f'{name}.npz']
    result = read_result(folders.result(run))
    assert result['config_hash'] == run.config_hash
    assert result['config']['model.selector.threshold'] == 0.3
    assert (result['seed'], result['list']) == (1, 'data/mosaic/lists/mosaic.1@2.txt')
    assert (result['steps'], result['labeled_images_seen']) == (6, 6)
    assert result['minutes'] == 0.3
    assert result['branch'] == 'teacher'
    assert len(result['teacher']['iou']) == len(result['classes']) == 9
    # of 4 images of 48 x 48
    assert {each.count.sum() for each in result.counts.values()} == {4 * 48 * 48}
    assert {each.num_images for each in result.counts.values()} == {4}
    # the checkpoint goes, what was logged and the configs stay
    assert files_of(folders.of(run)) == ['20260101_000000', 'composed.py', 'config.py', 'run.json']
    complete(run, folders, stand_in(trained))
    assert len(trained) == 1


def test_the_best_validation_is_that_of_the_logs(file, folders):
    run = run_of(file, 'labels-alone_*_seed0')
    complete(run, folders, stand_in([]))
    student = read_result(folders.result(run))['student']
    assert student['best'] == 99.5 > student['last']
    assert 'teacher' not in read_result(folders.result(run)).values


def test_checkpoints_are_kept_if_asked(file, folders):
    run = run_of(file, 'labels-alone_*_seed0')
    complete(run, folders, stand_in([]), keep_checkpoints=True)
    assert 'iter_6.pth' in files_of(folders.of(run))


def test_the_stages_of_a_chain_follow_each_other(file, folders):
    text = file.read_text().replace(
        "'all-labels'",
        "'chain': dict(chain=dict(pretrain='recipes/pretrain.py', finetune='recipes/supervised.py')),"
        "'all-labels'",
    )
    file.write_text(text)
    run, trained = run_of(file, 'chain_*_seed0'), []
    complete(run, folders, stand_in(trained))
    pretrain, finetune = trained
    assert pretrain.model.type == 'ContrastivePretrainer'
    assert pretrain.load_from is None
    assert finetune.load_from == str(folders.of(run) / 'pretrain/iter_6.pth')
    result = read_result(folders.result(run))
    assert (result['steps'], result['labeled_images_seen'], result['minutes']) == (12, 24, 0.6)
    assert not list(folders.of(run).rglob('*.pth'))


def test_the_first_half_of_a_chain_labels_the_images_of_the_second(file, folders):
    write_chain(file)
    run, trained, labelled = run_of(file, 'chain_*_seed0'), [], []
    train = stand_in(trained)

    def run_tool(tool, *arguments):
        if tool == 'train.py':
            return train(tool, *arguments)
        assert tool == 'pseudo_label.py'
        labelled.append((len(trained), arguments))
        report = folders.of(run) / 'pseudo_labels' / 'report.json'
        report.parent.mkdir()
        report.write_text('{}')

    complete(run, folders, run_tool)
    [(after, arguments)] = labelled
    assert after == 2
    assert arguments == (
        str(folders.of(run) / 'config_finetune.py'),
        str(folders.of(run) / 'finetune/iter_6.pth'),
        '--images=data/mosaic/images/train',
        '--list=data/mosaic/lists/mosaic.0@2-unlabeled.txt',
        '--image-suffix=.png',
        f'--out={folders.of(run) / "pseudo_labels"}',
        '--threshold=0.7',
        '--keep-ratio=0.5',
        '--tta',
    )
    assert [cfg.load_from for cfg in trained[1:]] == [
        str(folders.of(run) / stage / 'iter_6.pth')
        for stage in ('pretrain', 'finetune', 'semi_pretrain')
    ]
    for cfg in trained[2:]:
        masks = cfg.train_dataloader.dataset.datasets[1].data_prefix.seg_map_path
        assert masks == str(folders.of(run) / 'pseudo_labels' / 'masks')
    assert read_result(folders.result(run))['steps'] == 24


def test_a_failed_training_leaves_no_result(file, folders):
    run = run_of(file, 'labels-alone_*_seed0')
    with pytest.raises(RuntimeError, match=r'train\.py failed'):
        complete(run, folders, stand_in([], fails=True))
    assert not folders.results.exists()
    with pytest.raises(RuntimeError, match='seed0 ended without a checkpoint of iteration 6'):
        complete(run, folders, lambda *_: None)
    complete(run, folders, stand_in([]))
    assert is_finished(run, folders)


@pytest.mark.parametrize('finished', [True, False])
def test_what_is_of_another_config_is_refused_and_can_be_set_aside(file, folders, finished):
    run = run_of(file, 'fixmatch_*_seed0')
    assert why_not(run, folders) is None
    if finished:
        complete(run, folders, stand_in([]))
    else:
        with pytest.raises(RuntimeError):
            complete(run, folders, stand_in([], fails=True))
    assert why_not(run, folders) is None
    file.write_text(file.read_text().replace('0.3', '0.4'))
    other = run_of(file, 'fixmatch_*_seed0')
    assert not is_finished(other, folders)
    said = 'model.selector.threshold was 0.3 there, and is 0.4 now'
    assert said in why_not(other, folders)
    trained = []
    with pytest.raises(FileExistsError, match=said):
        complete(other, folders, stand_in(trained))
    assert trained == []
    discard(other, folders)
    assert why_not(other, folders) is None
    complete(other, folders, stand_in(trained))
    assert trained[0].model.selector.threshold == 0.4
    assert folders.work.joinpath(f'{other.name}.old1').is_dir()


def test_a_run_of_another_process_is_left_to_it(file, folders):
    run = run_of(file, 'labels-alone_*_seed0')
    folders.of(run).mkdir(parents=True)
    trained = []
    with (
        locked(folders.of(run)),
        pytest.raises(BlockingIOError, match='another process is at work'),
    ):
        complete(run, folders, stand_in(trained))
    assert trained == []
