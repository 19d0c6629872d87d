from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmseg_contrast.datasets import CamVidDataset

REAL = Path(__file__).parents[3] / 'data' / 'camvid_segnet_layout' / 'CamVid'


@pytest.fixture
def main(load_tool):
    return load_tool('dataset_converters/camvid.py').main


@pytest.fixture
def source(tmp_path):
    """Two training images and one for validation."""
    source = tmp_path / 'CamVid'
    for split, name in (('train', 'a'), ('train', 'b'), ('val', 'c')):
        for folder in (split, f'{split}annot'):
            (source / folder).mkdir(parents=True, exist_ok=True)
        image = np.full((4, 6, 3), (200, 100, 50), np.uint8)
        Image.fromarray(image).save(source / split / f'{name}.png')
        mask = np.arange(24, dtype=np.uint8).reshape(4, 6) // 2
        Image.fromarray(mask).save(source / f'{split}annot' / f'{name}.png')
    (source / 'train.txt').write_text(
        '/SegNet/CamVid/train/a.png /SegNet/CamVid/trainannot/a.png\n'
        '/SegNet/CamVid/train/z.png /SegNet/CamVid/trainannot/z.png\n'
    )
    return source


def test_layout_and_void(main, source, tmp_path, capsys):
    root = tmp_path / 'data' / 'camvid'
    main([str(source), str(root)])
    files = sorted(p.relative_to(root).as_posix() for p in root.rglob('*') if p.is_file())
    assert files == [
        'annotations/train/a.png',
        'annotations/train/b.png',
        'annotations/val/c.png',
        'images/train/a.jpg',
        'images/train/b.jpg',
        'images/val/c.jpg',
    ]
    mask = np.array(Image.open(root / 'annotations' / 'train' / 'a.png'))
    expected = np.arange(24).reshape(4, 6) // 2
    np.testing.assert_array_equal(mask, np.where(expected == 11, 255, expected))
    image = np.array(Image.open(root / 'images' / 'train' / 'a.jpg')).astype(int)
    assert abs(image - (200, 100, 50)).max() <= 3
    out = capsys.readouterr().out
    assert 'train: 2 images' in out
    assert 'names 1 images that are not' in out


def test_png_is_lossless_and_files_are_kept(main, source, tmp_path):
    root = tmp_path / 'camvid'
    main([str(source), str(root), '--image-suffix', '.png'])
    image = root / 'images' / 'train' / 'a.png'
    np.testing.assert_array_equal(np.array(Image.open(image))[0, 0], (200, 100, 50))
    image.write_bytes(b'mine')
    main([str(source), str(root), '--image-suffix', '.png'])
    assert image.read_bytes() == b'mine'
    main([str(source), str(root), '--image-suffix', '.png', '--force'])
    assert image.read_bytes() != b'mine'


def test_bad_sources(main, source, tmp_path):
    with pytest.raises(FileNotFoundError, match='none of the folders'):
        main([str(tmp_path), str(tmp_path / 'out')])
    (source / 'valannot' / 'c.png').rename(source / 'valannot' / 'd.png')
    with pytest.raises(FileNotFoundError, match=r"have no mask .* 'c'"):
        main([str(source), str(tmp_path / 'out')])
    Image.fromarray(np.full((4, 6), 12, np.uint8)).save(source / 'trainannot' / 'b.png')
    with pytest.raises(ValueError, match='holds the id 12'):
        main([str(source), str(tmp_path / 'new')])


@pytest.mark.skipif(not REAL.exists(), reason='data/camvid_segnet_layout is not there')
def test_real_images(main, tmp_path):
    main([str(REAL), str(tmp_path)])
    for split in ('train', 'val'):
        dataset = CamVidDataset(
            data_root=str(tmp_path),
            data_prefix={'img_path': f'images/{split}', 'seg_map_path': f'annotations/{split}'},
        )
        assert len(dataset) == 2
        for info in dataset:
            image, mask = (np.array(Image.open(info[k])) for k in ('img_path', 'seg_map_path'))
            assert image.shape == (360, 480, 3)
            assert set(np.unique(mask)) <= {*range(11), 255}
            assert 255 in mask
