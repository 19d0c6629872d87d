import io

import numpy as np
from PIL import Image

from mmseg_contrast.visualization import draw_grid, overlay


def test_overlay_blends_and_blackens():
    image = np.full((1, 3, 3), 100, np.uint8)
    labels = np.array([[0, 1, 255]])
    palette = [[200, 0, 0], [0, 100, 0]]
    out = overlay(image, labels, palette, opacity=0.5)
    assert out.tolist() == [[[150, 50, 50], [50, 100, 50], [0, 0, 0]]]


def test_grid_shows_every_image_and_class_colour():
    red, blue = (np.full((20, 30, 3), color, np.uint8) for color in ((255, 0, 0), (0, 0, 255)))
    png = draw_grid({'a': [red, blue], 'b': [red]}, ['x'], [[0, 255, 0]])
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert('RGB'))
    share = {
        name: (pixels == color).all(-1).mean()
        for name, color in (('red', (255, 0, 0)), ('blue', (0, 0, 255)), ('green', (0, 255, 0)))
    }
    # Two red cells, one blue, and the patch of the class in the legend.
    assert share['red'] > 1.9 * share['blue'] > 0.1
    assert share['green'] > 0


def test_long_titles_stay_over_their_column():
    cell = np.full((20, 30, 3), (255, 0, 0), np.uint8)
    png = draw_grid({'net_data_' * 6: [cell], 'net-data-' * 6: [cell]}, [], [])
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert('RGB'))
    top = int((pixels == (255, 0, 0)).all(-1).any(1).argmax())
    assert (pixels[:top] < 128).any()
    assert (pixels[:top, pixels.shape[1] // 2] == 255).all()
