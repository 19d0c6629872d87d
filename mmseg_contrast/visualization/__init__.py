"""Pictures of images, masks and predictions."""

from .grid import draw_grid, overlay

__all__ = ['draw_grid', 'overlay']
