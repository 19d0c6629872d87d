"""Loading of images, with errors that name the file."""

from __future__ import annotations

import mmcv
from mmseg.registry import TRANSFORMS

from ..files import exif_orientation, unreadable


@TRANSFORMS.register_module()
class LoadImageFromFile(mmcv.transforms.LoadImageFromFile):
    """MMCV's ``LoadImageFromFile`` with errors that name the file; the arguments are the same.

    Registered in MMSeg's registry under the name that all configs use.

    Required Keys:

    - img_path

    Added Keys:

    - img
    - img_shape
    - ori_shape
    - exif_orientation (int): The EXIF flag by which a photo with a mask was turned or mirrored, as
      :func:`exif_orientation` returns it; 1 where it was not.

    Raises:
        SetupError: If the file cannot be read.
    """

    def transform(self, results: dict) -> dict | None:
        """Loads the image.

        Args:
            results (dict): A sample.

        Returns:
            dict | None: The sample with its image; None for a broken one with ``ignore_empty``.
        """
        path = results['img_path']
        try:
            results = super().transform(results)
        except ImportError:
            raise  # of a backend that is not installed
        except Exception as error:
            raise unreadable(path, error) from error
        if results is not None and 'seg_map_path' in results:
            # The other modes and backends return a photo as it is stored.
            turns = self.color_type in ('color', 'grayscale')
            turns &= self.imdecode_backend in ('cv2', 'pillow')
            results['exif_orientation'] = exif_orientation(path) if turns else 1
        return results
