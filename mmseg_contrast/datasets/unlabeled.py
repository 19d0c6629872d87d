"""Images without masks."""

from __future__ import annotations

import inspect
import os.path as osp
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from .data_pages import data_page
from .files import IMAGE_SUFFIXES, list_images, read_list


def _metainfo_like(like: str | dict) -> dict:
    """The meta information that the data set of this name or config will report."""
    cfg = dict(type=like) if isinstance(like, str) else dict(like)
    labeled_class = DATASETS.get(cfg['type'])
    if labeled_class is None:
        raise ValueError(
            f"UnlabeledDataset got like='{cfg['type']}', which is not a registered data set: give "
            'the type of the labelled data set, and name the module that registers it in '
            'custom_imports.'
        )
    # Some classes set the flag by default, so ask the signature. The class itself is not built:
    # it may insist on files, and only its meta information is wanted.
    flag = inspect.signature(labeled_class).parameters.get('reduce_zero_label')
    default = False if flag is None else flag.default
    probe = type('Probe', (BaseSegDataset,), dict(METAINFO=labeled_class.METAINFO))
    return probe(
        metainfo=cfg.get('metainfo'),
        reduce_zero_label=cfg.get('reduce_zero_label', default),
        lazy_init=True,
    ).metainfo


@DATASETS.register_module()
class UnlabeledDataset(BaseSegDataset):
    """A folder or a list of images; no mask is looked for, none is opened.

    The images are those of the python list ``images``, the lines of ``ann_file``, or, where
    neither is given, all images below ``data_prefix['img_path']`` (sub-folders included, sorted).
    A list entry is a path relative to that folder, or an absolute one, with or without its suffix.

    Stands beside the labelled data set in a ``ConcatDataset``, which demands equal meta
    information: say ``like`` which one.

    Args:
        like (str | dict): Type or config of the labelled data set whose classes, palette and label
            map are taken over. Of a config, ``type``, ``metainfo`` and ``reduce_zero_label`` are
            read, so the labelled data set's own config will do.
        images (Sequence[str], optional): Paths of the images. Defaults to None.
        exclude_list (str | Sequence[str]): List file(s) of images to leave out, in the format of
            ``ann_file``, e.g. the labelled list. Relative to the working directory. Defaults to
            none.
        img_suffix (str, optional): Suffix of the images, e.g. '_leftImg8bit.png'; completes
            listed names and picks files in a folder. Defaults to None: any of .png, .jpg, .jpeg,
            .bmp, .tif, .tiff, in either case.
        data_prefix (dict, optional): ``dict(img_path=...)`` and nothing else. Defaults to the data
            root.
        **kwargs: Other arguments of :class:`mmseg.datasets.BaseSegDataset`, e.g. ``ann_file``,
            ``data_root``, ``pipeline``.

    Raises:
        FileNotFoundError: If the folder, a list or a listed image is not there.
        ValueError: If there is no image, ``exclude_list`` names one that the folder does not have,
            ``data_prefix`` names masks, ``like`` is unknown, or both
            ``images`` and ``ann_file`` are given.

    Examples:
        >>> unlabeled_dataset = dict(
        ...     type='UnlabeledDataset',
        ...     like='CamVidDataset',
        ...     data_prefix=dict(img_path='data/camvid/images/train'),
        ...     exclude_list='data_lists/camvid/camvid.0@1by8.txt',
        ...     pipeline=unlabeled_pipeline)  # doctest: +SKIP
    """

    def __init__(
        self,
        like: str | dict,
        images: Sequence[str] | None = None,
        exclude_list: str | Sequence[str] = (),
        img_suffix: str | None = None,
        data_prefix: dict | None = None,
        lazy_init: bool = False,
        **kwargs: Any,
    ) -> None:
        data_prefix = dict(data_prefix or dict(img_path=''))
        if set(data_prefix) != {'img_path'}:
            raise ValueError(
                f'UnlabeledDataset got data_prefix={data_prefix}: it takes img_path alone, because '
                'it never opens a mask.'
            )
        if images is not None and kwargs.get('ann_file'):
            raise ValueError(
                f'UnlabeledDataset got both images and ann_file={kwargs["ann_file"]}: give one.'
            )
        self.images = images
        self.like = like
        self.exclude_list = [exclude_list] if isinstance(exclude_list, str) else list(exclude_list)
        metainfo = _metainfo_like(like)
        super().__init__(
            img_suffix=img_suffix,
            data_prefix=data_prefix,
            metainfo=metainfo,
            reduce_zero_label=metainfo['reduce_zero_label'],
            lazy_init=True,
            **kwargs,
        )
        self.label_map = self._metainfo['label_map'] = metainfo['label_map']
        if not lazy_init:
            self.full_init()

    def load_data_list(self) -> list[dict]:
        """Lists the images.

        Returns:
            list[dict]: One dict per image, with ``img_path`` and without ``seg_map_path``.
        """
        if self.images is not None:
            source, paths = 'the list `images`', self._find(self.images, 'the list `images`')
        elif self.ann_file:
            source = f'the list {self.ann_file}'
            paths = self._find(read_list(self.ann_file), source)
        elif not self.data_prefix['img_path']:
            raise ValueError(
                'UnlabeledDataset was told of no images: set data_prefix=dict(img_path=...), the '
                'folder, or ann_file or images, the list.'
            )
        else:
            source = f'the folder {self.data_prefix["img_path"]}'
            paths = list_images(self.data_prefix['img_path'], self.img_suffix)
        excluded = self._excluded(paths)
        kept = [str(path) for name, path in paths.items() if name not in excluded]
        if not kept:
            raise ValueError(
                f'No unlabelled image is left of the {len(paths)} of {source} after '
                f'exclude_list={self.exclude_list}: add images, or shorten the lists.'
            )
        return [
            dict(
                img_path=path,
                label_map=self.label_map,
                reduce_zero_label=self.reduce_zero_label,
                seg_fields=[],
            )
            for path in kept
        ]

    def _excluded(self, paths: Mapping[str, Path]) -> set[str]:
        """The names of the images to leave out, however their lists write them."""
        root = Path(self.data_prefix['img_path'])
        names = {path.resolve(): name for name, path in paths.items()} if self.exclude_list else {}
        excluded = set()
        for path in self.exclude_list:
            for entry in read_list(path):
                name = self._name(entry)
                if name not in paths:
                    files = ((root / each).resolve() for each in self._file_names(entry))
                    name = next((names[file] for file in files if file in names), None)
                if name is not None:
                    excluded.add(name)
                elif self.images is None and not self.ann_file:
                    # Of a whole folder; a list may leave these images out already.
                    raise ValueError(
                        f'The image {entry} of exclude_list {path} is none of the {len(paths)} in '
                        f'{root}: correct the entry, or the folder.'
                    )
        return excluded

    def _find(self, entries: Sequence[str], source: str) -> dict[str, Path]:
        """The path of each listed image by its name."""
        root = Path(self.data_prefix['img_path'])
        paths = {}
        for entry in entries:
            candidates = [root / file_name for file_name in self._file_names(entry)]
            path = next((path for path in candidates if path.is_file()), None)
            if path is None:
                raise FileNotFoundError(
                    f'The image {root / entry} of {source} is not on disk (looked for '
                    f'{", ".join(str(path) for path in candidates)}): add the image'
                    f'{data_page(self.like)}, or correct the entry, img_suffix or '
                    "data_prefix['img_path']."
                )
            paths[self._name(entry)] = path
        return paths

    def _file_names(self, entry: str) -> list[str]:
        """The file names that a list entry may mean."""
        if entry.lower().endswith(IMAGE_SUFFIXES):
            stem, suffix = osp.splitext(entry)
            return [entry, stem + suffix.lower(), stem + suffix.upper()]
        if self.img_suffix:
            return [entry + self.img_suffix]
        return [entry + suffix for s in IMAGE_SUFFIXES for suffix in (s, s.upper())]

    def _name(self, entry: str) -> str:
        """A list entry without image suffix, as the split lists write it."""
        if self.img_suffix and entry.endswith(self.img_suffix):
            return entry[: -len(self.img_suffix)]
        stem, suffix = osp.splitext(entry)
        return stem if suffix.lower() in IMAGE_SUFFIXES else entry
