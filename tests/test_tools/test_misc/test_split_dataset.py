import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[3]
CAMVID = ROOT / 'data' / 'camvid'


@pytest.fixture
def main(load_tool):
    return load_tool('misc/split_dataset.py').main


@pytest.fixture
def folders(tmp_path):
    """Twenty images; class 2 is in the mask of image 13 alone."""
    rng = np.random.RandomState(0)
    for index in range(20):
        for folder in ('images/sub', 'masks/sub'):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        image = rng.randint(0, 255, (6, 8, 3)).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / f'images/sub/{index:02d}.png')
        mask = rng.randint(0, 2, (6, 8)).astype(np.uint8)
        mask[0, :2] = 2 if index == 13 else 255
        Image.fromarray(mask).save(tmp_path / f'masks/sub/{index:02d}.png')
    return tmp_path


def read(path):
    return path.read_text().split()


def test_nested_stratified_lists(main, folders, capsys):
    out = folders / 'lists'
    argv = ['--dataset', 'toy', '--images', str(folders / 'images'), '--out', str(out)]
    argv += ['--masks', str(folders / 'masks'), '--stratified', '--fold', '0', '1']
    main([*argv, '--labeled', '1/10', '1/4'])
    text = capsys.readouterr().out
    assert 'toy.0@1by10: 2 labelled, 18 unlabelled images' in text
    assert '12 files written' in text
    for fold in (0, 1):
        small, large = (read(out / f'toy.{fold}@{part}.txt') for part in ('1by10', '1by4'))
        assert (len(small), len(large)) == (2, 5)
        assert large[:2] == small
        assert 'sub/13' in small
        rest = read(out / f'toy.{fold}@1by4-unlabeled.txt')
        assert sorted(rest + large) == [f'sub/{index:02d}' for index in range(20)]
        record = json.loads((out / f'toy.{fold}@1by4.json').read_text())
        assert record['classes']['images'] == [5, 5, 1]
        assert record['classes']['pixels'][2] == 2
    assert read(out / 'toy.0@1by4.txt') != read(out / 'toy.1@1by4.txt')

    main([*argv, '--labeled', '1/10', '1/4'])
    assert 'already' in capsys.readouterr().out
    with pytest.raises(FileExistsError, match='--force'):
        main([*argv, '--labeled', '1/10', '--seed', '1'])
    main([*argv, '--labeled', '1/10', '--seed', '1', '--force'])


def test_only_images_with_a_mask_are_labelled(main, folders, capsys):
    out, masks = folders / 'lists', folders / 'masks'
    kept = [3, 5, 8, 13, 17]
    for index in set(range(20)) - set(kept):
        (masks / f'sub/{index:02d}.png').unlink()
    argv = ['--dataset', 'toy', '--images', str(folders / 'images'), '--out', str(out)]
    argv += ['--masks', str(masks), '--stratified']
    main([*argv, '--labeled', '2', '4/5', '5'])
    text = capsys.readouterr().out
    assert '5 of 20 images have a mask: labelled ones are drawn among these.' in text
    assert 'toy.0@5: 5 labelled, 15 unlabelled images' in text
    lists = [read(out / f'toy.0@{part}.txt') for part in ('2', '4by5', '5')]
    assert [len(each) for each in lists] == [2, 4, 5]
    assert lists[2][:4] == lists[1] and lists[1][:2] == lists[0] and 'sub/13' in lists[0]
    assert sorted(lists[2]) == [f'sub/{index:02d}' for index in kept]
    rest = read(out / 'toy.0@5-unlabeled.txt')
    assert sorted(rest + lists[2]) == [f'sub/{index:02d}' for index in range(20)]
    record = json.loads((out / 'toy.0@5.json').read_text())
    assert record['rule'].startswith('first names of') and 'with a mask' in record['rule']
    assert record['classes']['images'] == [5, 5, 1]

    with pytest.raises(
        ValueError, match='6 of 5 images with a mask cannot be labelled: give a count from 1'
    ):
        main([*argv, '--labeled', '6'])
    listed = folders / 'published.txt'
    listed.write_text('sub/03\nsub/04\n')
    convert = ['--protocol', 'u2pl', '--from-list', str(listed), '--labeled', '2']
    with pytest.raises(
        FileNotFoundError, match=r'1 images of .* have no mask in .*, the first is sub/04'
    ):
        main([*argv[:-1], *convert])
    for path in masks.rglob('*.png'):
        path.unlink()
    with pytest.raises(
        FileNotFoundError, match=r'None of the 20 images has a mask; that of sub/00 would'
    ):
        main([*argv, '--labeled', '2'])


def test_leaks_are_refused(main, folders):
    images, val = folders / 'images', folders / 'val'
    argv = ['--dataset', 'toy', '--images', str(images), '--labeled', '5']
    argv += ['--out', str(folders / 'lists'), '--val']
    listed = folders / 'val.txt'
    for entry in ('sub/03', 'sub/03.png'):
        listed.write_text(f'{entry}\n')
        with pytest.raises(ValueError, match="first is 'sub/03'"):
            main([*argv, str(listed)])
    val.mkdir()
    shutil.copy(images / 'sub' / '07.png', val / 'other.png')
    with pytest.raises(ValueError, match="'sub/07' and the validation image 'other'"):
        main([*argv, str(val)])
    assert not (folders / 'lists').exists()
    (val / 'other.png').write_bytes(b'another picture')
    main([*argv, str(val)])
    assert len(read(folders / 'lists' / 'toy.0@5.txt')) == 5


def test_missing_class_is_reported_without_stratification(main, folders, capsys):
    argv = ['--dataset', 'toy', '--images', str(folders / 'images'), '--labeled', '1']
    argv += ['--masks', str(folders / 'masks'), '--out', str(folders / 'lists')]
    main(argv)
    assert ('Classes [2] are missing' in capsys.readouterr().out) == (
        read(folders / 'lists' / 'toy.0@1.txt') != ['sub/13']
    )


def test_published_list(main, folders):
    source = folders / 'labeled.txt'
    source.write_text('root/images/sub/05.png root/masks/05.png\nsub/02.png masks/02.png\n')
    argv = ['--dataset', 'toy', '--images', str(folders / 'images'), '--labeled', '1/10']
    argv += ['--out', str(folders / 'lists'), '--from-list', str(source), '--protocol']
    for protocol in ('u2pl', 'cps', 'classic'):
        main([*argv, protocol])
        assert read(folders / 'lists' / f'{protocol}_toy.0@1by10.txt') == ['sub/05', 'sub/02']
        assert len(read(folders / 'lists' / f'{protocol}_toy.0@1by10-unlabeled.txt')) == 18


def test_french_protocol(main, tmp_path):
    names = tmp_path / 'names.txt'
    names.write_text(''.join(f'city/{index:04d}\n' for index in range(2975)))
    argv = ['--dataset', 'city', '--names', str(names), '--protocol', 'french']
    main([*argv, '--fold', '0', '1', '2', '--out', str(tmp_path / 'lists')])
    counts = {'1by30': 100, '1by8': 372, '1by4': 744}
    for fold, first in enumerate(('city/1687', 'city/1490', 'city/0696')):
        for fraction, count in counts.items():
            labeled = read(tmp_path / 'lists' / f'city.{fold}@{fraction}.txt')
            assert len(labeled) == count
            assert labeled[0] == first
    names.write_text('a\nb\nc\n')
    with pytest.raises(ValueError, match='for 2975 training images, but there are 3'):
        main([*argv, '--out', str(tmp_path / 'other')])


@pytest.mark.skipif(not CAMVID.exists(), reason='data/camvid is not there')
def test_camvid_lists_are_reproduced(main, tmp_path):
    argv = ['--dataset', 'camvid', '--images', str(CAMVID / 'images' / 'train')]
    argv += ['--masks', str(CAMVID / 'annotations' / 'train'), '--classes', '11', '--stratified']
    argv += ['--val', str(CAMVID / 'images' / 'val'), '--fold', '0', '1', '2']
    main([*argv, '--labeled', '1/30', '1/8', '1/4', '--out', str(tmp_path)])
    kept = ROOT / 'data_lists' / 'camvid'
    for path in kept.glob('*.txt'):
        assert (tmp_path / path.name).read_text() == path.read_text(), path.name


def test_command_line(tmp_path):
    """One clear sentence and a non-zero exit code, and help with an example."""
    command = [sys.executable, str(ROOT / 'tools' / 'misc' / 'split_dataset.py')]
    env = {'PYTHONPATH': str(ROOT)}
    argv = ['--dataset', 'a', '--images', 'none', '--labeled', '1', '--out', str(tmp_path)]
    bad = subprocess.run(
        [*command, *argv], env=env, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert bad.returncode == 1
    assert 'The image folder none does not exist' in bad.stderr
    assert 'Traceback' not in bad.stderr


def test_help_has_an_example(load_tool, capsys):
    tool = load_tool('misc/split_dataset.py')
    with pytest.raises(SystemExit) as info:
        tool.main(['--help'])
    assert info.value.code == 0
    assert 'examples:' in capsys.readouterr().out
