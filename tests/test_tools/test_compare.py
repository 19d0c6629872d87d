"""`compare.py` shows what was asked, and never another run's result; training is stood in for."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config

CONFIG = """
model = dict(type='X')
train_dataloader = dict(batch_size=1, dataset=dict(
    type='BaseSegDataset', data_root='data', ann_file='set.0@1.txt', img_suffix='.png',
    data_prefix=dict(img_path='images', seg_map_path='masks'), pipeline=[]))
val_dataloader = dict(batch_size=1, dataset=dict(
    type='BaseSegDataset', data_root='data', img_suffix='.png',
    metainfo=dict(classes=('a', 'b'), palette=[[0, 0, 0], [9, 9, 9]]),
    data_prefix=dict(img_path='images', seg_map_path='masks'), pipeline=[]))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=10)
optim_wrapper = dict(optimizer=dict(lr=0.1))
"""
TRAINED = []


def stand_in(config, folder):
    """Leave what a training leaves; its mIoU is made of rate, seed and list."""
    cfg = Config.fromfile(config)
    TRAINED.append(folder.as_posix())
    fold = int(cfg.train_dataloader.dataset.ann_file[4])
    score = 100 * cfg.optim_wrapper.optimizer.lr + cfg.randomness.seed + 10 * fold
    log = folder / '20260101_000000' / 'vis_data' / 'scalars.json'
    log.parent.mkdir(parents=True)
    lines = [{'mIoU': score + 5, 'step': 5}, {'mIoU': score, 'step': cfg.train_cfg.max_iters}]
    log.write_text('\n'.join(map(json.dumps, lines)))
    (folder / 'iter_10.pth').touch()
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_10.pth'))


@pytest.fixture
def compare(load_tool, tmp_path, monkeypatch):
    """The tool, in a folder with data and the configs A/my.py and B/my.py."""
    for folder in ('images', 'masks'):
        (tmp_path / 'data' / folder).mkdir(parents=True)
        for index in range(3):
            shape = (8, 8, 3) if folder == 'images' else (8, 8)
            path = tmp_path / 'data' / folder / f'{index}.png'
            cv2.imwrite(str(path), np.full(shape, index % 2, np.uint8))
    for fold in range(3):
        (tmp_path / f'data/set.{fold}@1.txt').write_text(f'{fold}\n')
    for folder, rate in (('A', 0.1), ('B', 0.3)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / 'my.py').write_text(CONFIG.replace('0.1', str(rate)))
    monkeypatch.chdir(tmp_path)
    # laying out the text of a config, and drawing, are what takes longest
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True))
    tool = load_tool('compare.py')
    TRAINED.clear()

    def run_tool(name, config, option, folder, resume):
        assert (name, option, resume) == ('train.py', '--work-dir', '--resume')
        stand_in(config, Path(folder))

    monkeypatch.setattr(tool, 'tool_runner', lambda *_: run_tool)
    monkeypatch.setattr(tool, 'draw_grid', lambda columns, *_: '\n'.join(columns))
    monkeypatch.setattr(
        tool, 'predict', lambda run, checkpoint, paths: [np.zeros((8, 8), int) for _ in paths]
    )

    def main(*arguments):
        TRAINED.clear()
        tool.main([*map(str, arguments), '--work-dir', 'out', '--num-images', '1'])
        rows = Path('out/table.md').read_text().splitlines()[2:]
        return [[cell.strip() for cell in row.split('|')[1:-1]] for row in rows if '|' in row]

    main.tool = tool
    return main


def refused(compare, *arguments):
    with pytest.raises(SystemExit) as caught:
        compare(*arguments)
    assert not TRAINED
    return caught.value.code


def test_configs_of_one_name_are_two_rows(compare):
    rows = compare('A/my.py', 'B/my.py')
    assert TRAINED == ['out/A/my/seed0', 'out/B/my/seed0']
    assert rows == [
        ['A/my', '1', '-', '0', 'last', '10.00', '-'],
        ['A/my', '1', '-', '0', 'best', '15.00', '-'],
        ['B/my', '1', '-', '0', 'last', '30.00 (+20.00)', '-'],
        ['B/my', '1', '-', '0', 'best', '35.00 (+20.00)', '-'],
    ]
    assert Path('out/predictions.png').read_text().splitlines() == [
        'image',
        'truth',
        'A/my',
        'B/my',
    ]
    page = Path('out/report.html').read_text()
    assert '<h1>A/my</h1>' in page and '<h1>B/my</h1>' in page
    assert page.count('over A/my (10.0)') == 1 and '>+20.0<' in page
    # each finds its own folder again, whatever is given beside it
    assert [row[5] for row in compare('B/my.py')] == ['30.00', '35.00']
    assert TRAINED == []


def test_a_file_that_is_given_twice_is_one_row(compare, capsys):
    os.symlink('A/my.py', 'link.py')
    rows = compare('A/my.py', Path('A/my.py').absolute(), 'B/../A/my.py', 'link.py')
    assert [row[0] for row in rows] == ['my', 'my']
    assert TRAINED == ['out/A/my/seed0']
    assert capsys.readouterr().out.count('is given twice: it has one row') == 3


def test_a_link_with_other_bases_is_another_config(compare):
    for folder in 'AB':
        os.rename(f'{folder}/my.py', f'{folder}/base.py')
    Path('A/my.py').write_text("_base_ = './base.py'\n")
    os.symlink('../A/my.py', 'B/my.py')
    assert [row[5] for row in compare('A/my.py', 'B/my.py')][::2] == ['10.00', '30.00 (+20.00)']


def test_seeds_and_folds_are_runs_of_their_own(compare):
    assert compare('A/my.py', '--seeds', 0)[0][3:6] == ['0', 'last', '10.00']
    assert compare('A/my.py', '--seeds', 0, 1, 2, 1)[0][3:6] == ['0 1 2', 'last', '11.00 ± 1.00']
    assert TRAINED == ['out/A/my/seed1', 'out/A/my/seed2']
    assert compare('A/my.py', '--seeds', 2)[0][3:6] == ['2', 'last', '12.00']
    assert TRAINED == []
    rows = compare('A/my.py', '--folds', 0, 1, 2)
    assert TRAINED == ['out/A/my/fold0-seed0', 'out/A/my/fold1-seed0', 'out/A/my/fold2-seed0']
    assert rows == [
        ['my', '1', '0 1 2', '0', 'last', '20.00 ± 10.00', '-'],
        ['my', '1', '0 1 2', '0', 'best', '25.00 ± 10.00', '-'],
    ]


def in_the_file():
    Path('A/my.py').write_text(CONFIG.replace('lr=0.1', 'lr=0.2'))


def in_a_base():
    Path('A/base.py').write_text(CONFIG.replace('lr=0.1', 'lr=0.2'))
    Path('A/my.py').write_text("_base_ = './base.py'\n")


@pytest.mark.parametrize('more', [(), ('--no-train',), ('--seeds', '1', '0')])
@pytest.mark.parametrize('change', [in_the_file, in_a_base, None])
def test_a_result_of_another_rate_is_refused(compare, change, more):
    compare('A/my.py')
    options = () if change else ('--cfg-options', 'optim_wrapper.optimizer.lr=0.2')
    if change:
        change()
    assert refused(compare, 'A/my.py', *options, *more) == (
        'error: FileExistsError: out/A/my/seed0 belongs to another run: optim_wrapper.optimizer.lr '
        'was 0.1 there, and is 0.2 now; choose another --work-dir, or give --retrain to train it '
        'again (python -X dev shows the traceback)'
    )
    if not more:
        assert [row[5] for row in compare('A/my.py', *options, '--retrain')] == ['20.00', '25.00']
        assert TRAINED == ['out/A/my/seed0']
        [log] = Path('out/A/my/seed0.old1').glob('*/vis_data/scalars.json')
        assert '"mIoU": 10.0' in log.read_text()
        # what is its own is kept, also with --retrain
        compare('A/my.py', *options, '--retrain')
        assert TRAINED == []


def longer():
    Path('A/my.py').write_text(CONFIG.replace('max_iters=10', 'max_iters=20'))
    return 'train_cfg.max_iters was 10 there, and is 20 now'


def other_labels():
    Path('data/set.0@1.txt').write_text('2\n')
    return 'train_dataloader: files of data set 0 was 1 images'


def other_data():
    os.rename('data', 'elsewhere')
    text = Path('A/my.py').read_text().replace("data_root='data'", "data_root='elsewhere'")
    Path('A/my.py').write_text(text)
    return 'train_dataloader.dataset.data_root was data there, and is elsewhere now'


def no_manifest():
    os.remove('out/A/my/seed0/run.json')
    return 'holds files and no run.json of this tool'


@pytest.mark.parametrize('change', [longer, other_labels, other_data, no_manifest])
@pytest.mark.parametrize('interrupted', [False, True])
def test_any_other_run_is_refused_finished_or_not(compare, change, interrupted):
    compare('A/my.py')
    if interrupted:
        [log] = Path('out/A/my/seed0').glob('*/vis_data/scalars.json')
        log.write_text('')
    said = change()
    assert said in refused(compare, 'A/my.py')


def test_an_interrupted_run_goes_on(compare):
    compare('A/my.py')
    [log] = Path('out/A/my/seed0').glob('*/vis_data/scalars.json')
    os.rename(log.parents[1], log.parents[2] / 'interrupted')
    (log.parents[2] / 'interrupted' / 'vis_data' / 'scalars.json').write_text('{"step": 4, "lo')
    assert refused(compare, 'A/my.py', '--no-train').startswith(
        'error: FileNotFoundError: no finished run in out: leave out --no-train'
    )
    compare('A/my.py')
    assert TRAINED == ['out/A/my/seed0']


def test_other_code_is_said_and_can_be_trained_again(compare, capsys, monkeypatch):
    compare('A/my.py')
    manifest = Path('out/A/my/seed0/run.json')
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), 'code': 'older'}))
    compare('A/my.py')
    said = 'my, seed 0 was trained, at least in part, by another version of mmseg_contrast'
    assert TRAINED == []
    assert said in capsys.readouterr().out
    assert said in Path('out/table.md').read_text()
    compare('A/my.py', '--retrain')
    assert TRAINED == ['out/A/my/seed0']
    assert said not in Path('out/table.md').read_text()


def test_the_number_of_gpus_is_part_of_a_run(compare, monkeypatch):
    monkeypatch.setattr('torch.cuda.device_count', lambda: 4)
    compare('A/my.py')
    assert 'processes was 1 there, and is 4 now' in refused(compare, 'A/my.py', '--gpus', 4)


def test_gpus_that_are_not_there_are_refused(compare, monkeypatch):
    monkeypatch.setattr('torch.cuda.device_count', lambda: 0)
    assert '--gpus 4: no GPU(s) visible; leave it out' in refused(compare, 'A/my.py', '--gpus', 4)


def replaced(old, new):
    Path('A/my.py').write_text(CONFIG.replace(old, new))


@pytest.mark.parametrize(
    ('spoil', 'said'),
    [
        (lambda: replaced("metainfo=dict(classes=('a', 'b'), palette=[[0, 0, 0], [9, 9, 9]]),", ''),
         'BaseSegDataset of val_dataloader has no classes or no palette'),
        (lambda: replaced('val_dataloader', 'other_dataloader'), 'has no val_dataloader: give'),
        (lambda: replaced('max_iters', 'max_epochs'), 'has no train_cfg.max_iters: give a config'),
        (lambda: os.remove('A/my.py'), 'there is no config A/my.py'),
        (lambda: Path('out').write_text(''), 'out'),
        (lambda: cv2.imwrite('data/masks/1.png', np.zeros((4, 4), np.uint8)), 'data/masks/1.png is 4 x 4'),
        (lambda: replaced('set.0@1', 'set.9@1'), 'set.9@1.txt'),
    ],
)  # fmt: skip
def test_what_would_fail_after_the_training_is_told_before(compare, spoil, said):
    spoil()
    sentence = refused(compare, 'A/my.py')
    assert said in sentence
    assert '\n' not in sentence


def test_a_config_without_folds_is_told(compare):
    replaced("ann_file='set.0@1.txt', ", '')
    assert 'my trains on no list of a fold' in refused(compare, 'A/my.py', '--folds', 0, 1)


def test_a_training_that_leaves_no_validation_is_told(compare, monkeypatch):
    monkeypatch.setattr(compare.tool, 'tool_runner', lambda *_: lambda *_: None)
    assert 'my, seed 0 ended without a validation at iteration 10' in refused(compare, 'A/my.py')


@pytest.mark.parametrize(
    'arguments', [['--seeds', '-1'], ['--folds', 'x'], ['--num-images', '0'], ['--gpus', 'two']]
)
def test_numbers_are_checked(compare, arguments):
    assert refused(compare, 'A/my.py', *arguments) == 2
