"""Loading of masks, with errors that name the file."""

from __future__ import annotations

import mmseg.datasets.transforms
import numpy as np
from mmseg.registry import TRANSFORMS

from ...problem import Problem, SetupError
from ..files import classes_of_ids, read_mask

#: EXIF flags that exchange height and width.
SIDEWAYS = (5, 6, 7, 8)


@TRANSFORMS.register_module(force=True)
class LoadAnnotations(mmseg.datasets.transforms.LoadAnnotations):
    """MMSeg's ``LoadAnnotations``, which refuses masks that do not fit; the arguments are the same.

    Stands in MMSeg's registry in the place of the original, so that checks and training read masks
    alike. The original cuts ids above 255 down to 8 bits and takes colours or a mask of another size
    as they are, which fails later or trains on wrong labels.

    Required Keys:

    - seg_map_path
    - reduce_zero_label
    - label_map (optional)
    - ori_shape and exif_orientation (optional): what :class:`LoadImageFromFile` tells of the image
    - img_shape (optional): its size now, which the mask may have too

    Modified Keys:

    - seg_fields

    Added Keys:

    - gt_seg_map (np.uint8): Class ids of shape (H, W).

    Raises:
        SetupError: If the file cannot be read, is no mask, or does not fit its image.
    """

    def stored_ids(self, results: dict) -> np.ndarray:
        """Reads the mask as it is stored.

        Args:
            results (dict): A sample.

        Returns:
            np.ndarray: Stored ids, uint8 of shape (H, W).
        """
        path = results.get('seg_map_path')
        if path is None:
            what = f'{results.get("img_path", "the image")} has no mask in its data set'
            remedy = "load the valid map of unlabelled images by dict(type='LoadValidMap')"
            raise SetupError(Problem('LoadAnnotations', what, remedy))
        stored = read_mask(path, self.imdecode_backend, self.backend_args)
        size = results.get('ori_shape')
        # A mask that is loaded after the resizing may have been stored at that size.
        resized = stored.shape == tuple(results.get('img_shape', size or ())[:2])
        if size is not None and not (resized and results['img_shape'] != size):
            image = results.get('img_path', 'the image')
            check_size(path, stored.shape, image, size, results.get('exif_orientation', 1))
        return stored

    def to_classes(self, results: dict) -> np.ndarray:
        """Says which class each stored id of a sample is.

        Args:
            results (dict): A sample.

        Returns:
            np.ndarray: Class, or 255, by stored id, uint8 of shape (256,).
        """
        reduce = results['reduce_zero_label']
        if self.reduce_zero_label not in (None, reduce):
            what = (
                f'reduce_zero_label={self.reduce_zero_label}, but that of the data set is {reduce}'
            )
            raise SetupError(Problem('LoadAnnotations', what, 'set it in the data set alone'))
        return classes_of_ids(reduce, results.get('label_map')).astype(np.uint8)

    def _load_seg_map(self, results: dict) -> None:
        results['gt_seg_map'] = self.to_classes(results)[self.stored_ids(results)]
        results['seg_fields'].append('gt_seg_map')


def check_size(
    path: str, mask: tuple[int, int], image: str, size: tuple[int, int], orientation: int
) -> None:
    """Refuse a mask that does not fit its image, as loaded, for sure.

    Args:
        path (str): The mask.
        mask (tuple[int, int]): Its height and width.
        image (str): The image.
        size (tuple[int, int]): Its height and width as loaded.
        orientation (int): EXIF flag by which it was turned.

    Raises:
        SetupError: If the mask is of another size, or fits the photo both as stored and as shown.
    """
    stored = size[::-1] if orientation in SIDEWAYS else size
    mask, size, stored = (tuple(each[:2]) for each in (mask, size, stored))
    shown, own = (f'{width} x {height}' for height, width in (size, mask))
    if mask == size and (orientation == 1 or stored != size):
        return
    if mask == size:
        what = f'{image} is turned by its EXIF flag {orientation}, and the mask fits it both ways'
        remedy = (
            'save the photo without the flag: turned (PIL.ImageOps.exif_transpose) if the mask was '
            'drawn on it as shown, else as it is'
        )
    elif mask == stored:
        what = (
            f'{image} is turned by its EXIF flag {orientation} to {shown}, but the mask is {own} '
        )
        what += 'as the photo is stored'
        remedy = 'delete the flag of the photo, or turn the mask likewise'
    else:
        what = f'the image is {shown} and its mask {own}'
        remedy = 'resize the mask by nearest neighbour, or pair the right files'
    raise SetupError(Problem(path, what, remedy))
