import numpy as np
import pytest
from PIL import Image

pytest.importorskip('skimage', reason='the textures come with scikit-image')
pytest.importorskip('sklearn', reason='the digits come with scikit-learn')

from mmseg_contrast.datasets import MosaicDataset


@pytest.fixture
def main(load_tool):
    return load_tool('dataset_converters/mosaic.py').main


def argv(root, *more):
    return [str(root), '--size', '40', '--train', '24', '--val', '5', '--labeled', '4', *more]


def snapshot(root):
    return {p.relative_to(root): p.read_bytes() for p in root.rglob('*') if p.is_file()}


def test_data_set_is_written_complete(main, tmp_path, capsys):
    root = tmp_path / 'new' / 'mosaic'
    main(argv(root))
    assert '24 training and 5 validation images' in capsys.readouterr().out
    lists = [(root / 'lists' / f'mosaic.0@4{end}.txt') for end in ('', '-unlabeled')]
    labeled, rest = (path.read_text().split() for path in lists)
    assert (len(labeled), len(rest)) == (4, 20)
    assert sorted(labeled + rest) == [f'train_{index:05d}' for index in range(24)]
    assert [path.name for path in root.parent.iterdir()] == ['mosaic']  # nothing left beside it

    dataset = MosaicDataset(
        ann_file=str(lists[0]),
        data_prefix={
            'img_path': str(root / 'images' / 'train'),
            'seg_map_path': str(root / 'annotations' / 'train'),
        },
    )
    seen = set()
    for info in dataset:
        image, mask = (np.array(Image.open(info[key])) for key in ('img_path', 'seg_map_path'))
        assert image.shape == (40, 40, 3)
        assert mask.shape == (40, 40)
        seen.update(np.unique(mask))
    assert seen == set(range(9))  # stratified: four images show all classes


def test_safe_to_run_again(main, tmp_path, capsys):
    root = tmp_path / 'mosaic'
    main(argv(root))
    first = snapshot(root)
    capsys.readouterr()
    main(argv(root))
    assert 'already' in capsys.readouterr().out
    with pytest.raises(FileExistsError, match='other arguments'):
        main(argv(root, '--seed', '1'))
    assert snapshot(root) == first
    main(argv(root, '--seed', '1', '--force'))
    assert snapshot(root) != first
    main(argv(root, '--force'))
    assert snapshot(root) == first  # the seed decides everything

    other = tmp_path / 'other'
    other.mkdir()
    (other / 'thesis.txt').write_text('precious')
    with pytest.raises(FileExistsError, match='something else'):
        main(argv(other, '--force'))
    assert (other / 'thesis.txt').read_text() == 'precious'


def test_failure_leaves_the_old_data_set(main, tmp_path, monkeypatch):
    root = tmp_path / 'mosaic'
    main(argv(root))
    first = snapshot(root)
    monkeypatch.setitem(main.__globals__, 'write_splits', lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(argv(root, '--seed', '1', '--force'))
    assert snapshot(root) == first
    assert [path.name for path in tmp_path.iterdir()] == ['mosaic']


def test_bad_arguments(main, tmp_path):
    with pytest.raises(ValueError, match='40 of 24 images'):
        main(argv(tmp_path / 'a', '--labeled', '40'))
    with pytest.raises(ValueError, match='difficulty=2'):
        main(argv(tmp_path / 'a', '--difficulty', '2'))
    assert not (tmp_path / 'a').exists()
