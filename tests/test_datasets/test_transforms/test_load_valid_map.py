import numpy as np

from mmseg_contrast.datasets import LoadValidMap


def test_map_is_zero_and_takes_part_in_geometry():
    results = LoadValidMap()(dict(img=np.ones((5, 7, 3), np.uint8), img_shape=(5, 7)))
    assert results['gt_seg_map'].shape == (5, 7)
    assert results['gt_seg_map'].dtype == np.uint8
    assert not results['gt_seg_map'].any()
    assert results['seg_fields'] == ['gt_seg_map']
    assert results['reduce_zero_label'] is False


def test_keeps_what_the_data_set_says():
    results = LoadValidMap()(
        dict(img_shape=(5, 7), seg_fields=['gt_edge_map'], reduce_zero_label=True)
    )
    assert results['seg_fields'] == ['gt_edge_map', 'gt_seg_map']
    assert results['reduce_zero_label'] is True
