"""Data sets of the three images of the fixture ``files``."""

from mmseg.datasets import BaseSegDataset

from mmseg_contrast.datasets.scan import Source, samples_of


def files_source(folder, names='abc', place='labelled images'):
    images = [str(folder / f'{name}.jpg') for name in names]
    masks = [str(folder / f'{name}.png') for name in names]
    return Source(place, samples_of(images, masks), ['x', 'y'])


def base_dataset(folder, pipeline=(), **more):
    prefix = {'img_path': str(folder), 'seg_map_path': str(folder)}
    known = {'data_prefix': prefix, 'metainfo': {'classes': ('x', 'y')}, **more}
    return BaseSegDataset(pipeline=list(pipeline), **known)
