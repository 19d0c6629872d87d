from mmseg_contrast.datasets import MosaicDataset


def test_classes_and_palette():
    meta = MosaicDataset.METAINFO
    assert len(meta['classes']) == len(meta['palette']) == 9
    assert meta['classes'][:3] == ('grass', 'brick', 'gravel') and meta['classes'][-1] == 'ring'
    assert len({tuple(color) for color in meta['palette']}) == 9
