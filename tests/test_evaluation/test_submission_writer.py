import numpy as np
import torch
from mmseg.datasets import CityscapesDataset, PascalVOCDataset
from PIL import Image

from mmseg_contrast.evaluation import SubmissionWriter


def write(folder, dataset, ids):
    writer = SubmissionWriter(str(folder))
    writer.dataset_meta = dataset.METAINFO
    sample = {'pred_sem_seg': {'data': torch.tensor(ids)[None]}, 'img_path': '/a/b/munich_7.jpg'}
    writer.process(None, [sample])
    assert writer.evaluate(1) == {'predictions': 1}
    return Image.open(folder / 'munich_7.png')


def test_cityscapes_has_the_ids_of_its_server(tmp_path):
    image = write(tmp_path, CityscapesDataset, [[0, 1, 5], [11, 13, 18]])
    assert image.mode == 'L'
    # road 7, sidewalk 8, pole 17, person 24, car 26, bicycle 33
    assert np.array(image).tolist() == [[7, 8, 17], [24, 26, 33]]


def test_voc_has_its_palette(tmp_path):
    image = write(tmp_path, PascalVOCDataset, [[0, 1, 15], [20, 2, 0]])
    assert image.mode == 'P'
    assert np.array(image).tolist() == [[0, 1, 15], [20, 2, 0]]
    colours = np.array(image.convert('RGB'))
    assert colours[0].tolist() == [[0, 0, 0], [128, 0, 0], [192, 128, 128]]
    assert colours[1, 0].tolist() == [0, 64, 128]
