from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[3]


@pytest.fixture
def main(load_tool):
    return load_tool('misc/check_dataset.py').main


@pytest.fixture
def folders(tmp_path):
    """Six images with classes 0 and 1; the last two are for validation."""
    rng = np.random.RandomState(0)
    for folder in ('images', 'masks', 'more'):
        (tmp_path / folder).mkdir()
    for index in range(6):
        image = rng.randint(0, 255, (6, 8, 3)).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / 'images' / f'{index}.png')
        mask = np.arange(48, dtype=np.uint8).reshape(6, 8) % 2
        Image.fromarray(mask).save(tmp_path / 'masks' / f'{index}.png')
    image = rng.randint(0, 255, (6, 8, 3)).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / 'more' / 'new.png')
    (tmp_path / 'train.txt').write_text('0\n1\n2\n3\n')
    (tmp_path / 'val.txt').write_text('4\n5\n')
    return tmp_path


def argv(folders, *more):
    named = {
        '--images': 'images',
        '--masks': 'masks',
        '--list': 'train.txt',
        '--val-list': 'val.txt',
        '--unlabeled': 'more',
    }
    options = [part for key, name in named.items() for part in (key, str(folders / name))]
    return [*options, '--classes', '2', *more]


def test_good_folders(main, folders, capsys):
    assert main(argv(folders)) == 0
    text = capsys.readouterr().out
    assert 'No problem found.' in text
    assert 'labelled images: 4 images, 4 opened' in text
    row = next(line for line in text.splitlines() if line.startswith('  0 0'))
    assert row.split()[2:] == ['4', '96', '50.00%']


def test_each_fault_is_told_with_its_remedy(main, folders, capsys):
    (folders / 'masks' / '1.png').unlink()
    Image.fromarray(np.full((6, 9), 1, np.uint8)).save(folders / 'masks' / '2.png')
    (folders / 'images' / '3.png').write_bytes(b'broken')
    (folders / 'val.txt').write_text('0\n4\n')
    (folders / 'more' / 'copy.png').write_bytes((folders / 'images' / '2.png').read_bytes())
    assert main(argv(folders)) == 5
    text = capsys.readouterr().out
    for part in (
        '1 of 4 masks are missing',
        'the image is 8 x 6 and its mask 9 x 6',
        'cannot be read',
        '1 images are also validation images',
        '1 images are also unlabelled images',
    ):
        assert part in text, part


def test_classes_that_are_not_there(main, folders, capsys):
    assert main(argv(folders, '--classes', '3')) == 1
    assert '1 of 3 classes have no pixel: 2' in capsys.readouterr().out
    assert main(argv(folders, '--classes', '3', '--max-images', '2')) == 0  # too few to tell
    assert '4 images, 2 opened' in capsys.readouterr().out
    assert main(argv(folders, '--classes', '1')) == 2
    assert 'one more than 1 classes' in capsys.readouterr().out


def test_config(main, folders, capsys):
    config = folders / 'config.py'
    config.write_text(
        "default_scope = 'mmseg'\n"
        "custom_imports = dict(imports=['mmseg_contrast'], allow_failed_imports=False)\n"
        f"root = '{folders}'\n"
        'labeled = dict(\n'
        "    type='BaseSegDataset', metainfo=dict(classes=('a', 'b')), img_suffix='.png',\n"
        "    ann_file=f'{root}/train.txt',\n"
        "    data_prefix=dict(img_path=f'{root}/images', seg_map_path=f'{root}/masks'),\n"
        "    pipeline=[dict(type='LoadImageFromFile')])\n"
        "val = dict(labeled, ann_file=f'{root}/val.txt')\n"
        'unlabeled = dict(\n'
        "    type='UnlabeledDataset', like=labeled, data_prefix=dict(img_path=f'{root}/more'))\n"
        "both = dict(type='ConcatDataset', datasets=[labeled, unlabeled])\n"
        'train_dataloader = dict(dataset=both)\n'
        'val_dataloader = dict(dataset=val)\n'
    )
    assert main([str(config)]) == 0
    text = capsys.readouterr().out
    assert 'unlabelled images' in text
    assert f'validation images ({folders}/val.txt): 2 images' in text
    changed = f'val_dataloader.dataset.ann_file={folders}/train.txt'
    assert main([str(config), '--cfg-options', changed]) == 1
    assert '4 images are also validation images' in capsys.readouterr().out


@pytest.mark.parametrize('wrong', [[], ['--images', 'x'], ['c.py', '--images', 'x']])
def test_wrong_arguments(main, wrong):
    with pytest.raises(SystemExit) as info:
        main(wrong)
    assert info.value.code == 2
