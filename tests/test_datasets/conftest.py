"""Three tiny images with masks, as files."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def files(tmp_path):
    """The folder of a.jpg, b.jpg and c.jpg, 8 x 6, and their masks a.png, ..., all of class 1."""
    for name in 'abc':
        Image.fromarray(np.full((6, 8, 3), ord(name), np.uint8)).save(tmp_path / f'{name}.jpg')
        Image.fromarray(np.full((6, 8), 1, np.uint8)).save(tmp_path / f'{name}.png')
    return tmp_path
