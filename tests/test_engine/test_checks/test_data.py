from types import SimpleNamespace

import pytest
from helpers import batch_of_labels
from mmseg.structures import SegDataSample

from mmseg_contrast.datasets import CamVidDataset, UnlabeledDataset
from mmseg_contrast.engine.checks.data import check_batch_size, check_fills, check_labels


def test_sampler_and_loader_with_other_batches():
    loader = SimpleNamespace(batch_size=8, sampler=SimpleNamespace(batch_size=4))
    assert 'batch_size=8, but its sampler.batch_size=4' in str(check_batch_size(loader)[0])
    loader.batch_size = 4
    assert not check_batch_size(loader)
    loader.sampler = SimpleNamespace()
    assert not check_batch_size(loader), 'a sampler of MMEngine has none'


@pytest.mark.parametrize('branch', [None, 'sup', 'source'])
@pytest.mark.parametrize('wrong', [3, 77, 254, -1, 300])
def test_a_label_that_is_no_class_is_told_with_its_file(branch, wrong):
    batch = batch_of_labels([[0, 1, 255]], [[2, wrong, 255]], branch=branch)
    (problem,) = check_labels(batch, 3, {255})
    assert str(problem) == (
        f'masks/1.png: the mask gives the label {wrong}, but 3 classes have 0 to 2; correct the mask, '
        'or convert it to class ids (255 is ignored).'
    )


def test_labels_that_are_right():
    assert check_labels(batch_of_labels([[0, 1, 2]], [[255, 255, 255]]), 3, {255}) == []
    assert check_labels(batch_of_labels([[254, 1, 2]]), 3, {254}) == []
    assert len(check_labels(batch_of_labels([[254, 1, 255]]), 3, {254})) == 1
    assert check_labels(batch_of_labels([[0, 255, 77]], branch='weak'), 3, {255}) == []
    assert check_labels({'data_samples': [SegDataSample()]}, 3, {255}) == []
    assert check_labels(None, 3, {255}) == []


@pytest.mark.parametrize(
    'transform',
    [
        {'type': 'RandomRotate', 'prob': 1.0, 'degree': 9, 'seg_pad_val': 0},
        {'type': 'Pad', 'size': (40, 40), 'pad_val': {'img': 0, 'seg': 0}},
        {
            'type': 'RandomCutOut',
            'prob': 1.0,
            'n_holes': 1,
            'cutout_shape': (2, 2),
            'seg_fill_in': 0,
        },
    ],
)
def test_fills_that_count_as_labels_are_told(folder, transform):
    load = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}]
    prefix = {'img_path': str(folder / 'images'), 'seg_map_path': str(folder / 'masks')}
    dataset = CamVidDataset(data_prefix=prefix, pipeline=[*load, transform])
    (problem,) = check_fills(dataset, {255})
    assert str(problem).startswith(f'{transform["type"]} in the pipeline: ')
    assert '=0 fills what lies outside' in problem.what and problem.remedy == 'set it to 255'
    assert check_fills(dataset, {0, 255}) == []
    # In a valid map 0 is a pixel of the image, whatever the heads ignore.
    split = {'type': 'MultiBranch', 'branch_field': ['weak'], 'weak': [transform]}
    load = [{'type': 'LoadImageFromFile'}, {'type': 'LoadValidMap'}, split]
    prefix = {'img_path': str(folder / 'more')}
    unlabeled = UnlabeledDataset(like='CamVidDataset', data_prefix=prefix, pipeline=load)
    assert len(check_fills(unlabeled, {0, 255})) == 1
