import mmcv
import numpy as np
import pytest
from mmseg.datasets import BaseSegDataset
from mmseg.registry import TRANSFORMS
from PIL import Image
from torch.utils.data import DataLoader

from mmseg_contrast.datasets import LoadImageFromFile


def test_stands_in_the_place_of_mmcvs(tmp_path):
    assert TRANSFORMS.get('LoadImageFromFile') is LoadImageFromFile
    image = np.random.RandomState(0).randint(0, 255, (5, 7, 3)).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / 'a.png')
    ours, theirs = (
        kind()({'img_path': str(tmp_path / 'a.png')})
        for kind in (LoadImageFromFile, mmcv.transforms.LoadImageFromFile)
    )
    np.testing.assert_array_equal(ours.pop('img'), theirs.pop('img'))
    assert ours == theirs


@pytest.mark.parametrize(
    ('content', 'reason'),
    [(b'', 'it is empty'), (b'<html>', 'no image'), (b'\x89PNG\r\n\x1a\n and', 'no image')],
)
@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
def test_a_broken_file_is_named(tmp_path, content, reason, backend):
    (tmp_path / 'a.jpg').write_bytes(content)
    load = LoadImageFromFile(imdecode_backend=backend)
    said = rf'a\.jpg: cannot be read \({reason}\); replace the file\.'
    with pytest.raises(ValueError, match=said):
        load({'img_path': str(tmp_path / 'a.jpg')})
    assert LoadImageFromFile(ignore_empty=True)({'img_path': str(tmp_path / 'b.jpg')}) is None


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r'b\.jpg: the file does not exist; add it, or take'):
        LoadImageFromFile()({'img_path': str(tmp_path / 'b.jpg')})


def test_a_worker_of_the_dataloader_names_the_file_too(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(b'')
    prefix = {'img_path': str(tmp_path)}
    known = {'data_prefix': prefix, 'test_mode': True, 'metainfo': {'classes': ('x',)}}
    dataset = BaseSegDataset(pipeline=[LoadImageFromFile()], **known)
    with pytest.raises(ValueError) as caught:
        next(iter(DataLoader(dataset, num_workers=1)))
    last = str(caught.value).splitlines()[-1]
    assert last.endswith(f'{tmp_path}/a.jpg: cannot be read (it is empty); replace the file.')
