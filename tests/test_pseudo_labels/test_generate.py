import json

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mmseg_contrast.pseudo_labels.generate import make_report, mask_path


def write_mask(folder, name, ids, predicted):
    path = mask_path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    info = PngInfo()
    info.add_text('predicted', json.dumps(predicted))
    Image.fromarray(np.array([ids], np.uint8)).save(path, pnginfo=info)


def test_the_report_counts_the_pixels_of_all_masks(tmp_path):
    # Class 0 is stored as 7, class 1 as 3; class 2 is never predicted.
    write_mask(tmp_path, 'a', [7, 7, 3, 255], [3, 1, 0])
    write_mask(tmp_path, 'town/b', [3, 255, 255, 255], [0, 4, 0])
    (tmp_path / 'run.json').write_text(json.dumps({'stored_ids': [7, 3, 4, 255]}))
    report = make_report(tmp_path, ['a', 'town/b'], {'x': 0.8, 'y': 0.9, 'z': 0.8})
    assert (report['images'], report['pixels'], report['coverage']) == (2, 8, 0.5)
    assert report['classes'] == {
        'x': {'threshold': 0.8, 'predicted': 3, 'kept': 2, 'coverage': 0.666667, 'share': 0.5},
        'y': {'threshold': 0.9, 'predicted': 5, 'kept': 2, 'coverage': 0.4, 'share': 0.5},
        'z': {'threshold': 0.8, 'predicted': 0, 'kept': 0, 'coverage': 0.0, 'share': 0.0},
    }
