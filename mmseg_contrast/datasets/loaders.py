"""Settings of a config's data loaders, made from its variables.

MMEngine merges the dicts of a config into those of its bases, and replaces lists. A transform in a
pipeline could thus be changed only by its place. So in the variables transforms have names, such as
``geometry = dict(crop=dict(type='RandomCrop', crop_size=crop_size))``, and the functions here make
the lists. A config with this base then says ``geometry = dict(crop=dict(crop_size=(96, 96)))``, or
``geometry = dict(crop=None)`` to leave it out.

A config that imports something has to assign ``_base_`` first, or MMEngine takes it for one of its
other style.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from mmengine.config import ConfigDict

_PACKAGE = Path(__file__).parents[1]
_PACK = dict(type='PackSegInputs')
# What a data set of one's own tells beside its folders; the data sets with a class know it.
_OF_THE_SET = ('metainfo', 'img_suffix', 'seg_map_suffix', 'reduce_zero_label')


def train_loader(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the training's data loader: labelled images, and others if there are.

    It reads these variables; those in brackets may be absent:

    - ``dataset_type``, ``data_root``, ``train_prefix`` and ``labeled_list``: the labelled images;
      prefixes are relative to the root or absolute, lists are not relative to it;
    - [``metainfo``, ``img_suffix``, ``seg_map_suffix`` and ``reduce_zero_label``]: what the class of
      the data set does not know, such as the names of the classes of a ``BaseSegDataset``;
    - ``geometry``: transforms of images and masks, by name; [``labeled_geometry`` and
      ``unlabeled_geometry``] if they differ; resizing without a scale and crops without a size take
      [``image_scale``] and [``crop_size``];
    - [``colors``]: more transforms of the labelled images, by name;
    - [``branches``]: pipelines of the unlabelled images, each a dict of transforms, by branch; with
      them ``unlabeled_list``;
    - [``labeled_branches``]: the same of the labelled images; by default ``sup`` alone where the
      unlabelled ones have branches, and none otherwise;
    - [``pseudo_labels``]: a folder of masks of the images in ``unlabeled_list``;
    - [``source_domain``]: variables of one more labelled set that differ from those of the first;
    - ``batch_size``, [``source_ratio``] and ``num_workers``.

    Args:
        config (Mapping[str, Any]): ``globals()`` of the config.
    """
    variables = _variables(config)
    if 'branches' in variables:
        variables.setdefault('labeled_branches', dict(sup={}))
    domains = [variables]
    if 'source_domain' in variables:
        domains.append(ConfigDict(variables))
        domains[-1].labeled_branches = {}
        for name in _OF_THE_SET:
            domains[-1].pop(name, None)
        domains[-1].merge(variables.source_domain)
    labeled_fields = [name for domain in domains for name in domain.get('labeled_branches', {})]
    fields = [*labeled_fields, *variables.get('branches', {})]
    sources = [_labeled(domain, fields) for domain in domains]
    if 'branches' in variables:
        sources.append(_unlabeled(variables, fields))
    if 'pseudo_labels' in variables:
        sources.append(_pseudo_labeled(variables, sources[0]))
    return dict(
        batch_size=variables.batch_size,
        num_workers=variables.num_workers,
        persistent_workers=variables.num_workers > 0,
        # of one source too: a resumed run then draws the samples and the augmentation of an
        # uninterrupted one
        sampler=dict(
            type='MultiSourceSampler',
            batch_size=variables.batch_size,
            source_ratio=variables.get('source_ratio', [1]),
        ),
        dataset=dict(type='MultiSourceDataset', datasets=sources),
    )


def val_loader(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the validation's data loader.

    It reads ``dataset_type``, ``data_root``, ``val_prefix``, ``test_pipeline``, ``num_workers``; if not
    all images of the folder are meant, ``val_list``, which is relative to the root; and what
    :func:`train_loader` reads of a data set whose class does not know it.

    Args:
        config (Mapping[str, Any]): ``globals()`` of the config.
    """
    variables = _variables(config)
    listed = dict(ann_file=variables.val_list) if 'val_list' in variables else {}
    return dict(
        batch_size=1,
        num_workers=variables.num_workers,
        persistent_workers=variables.num_workers > 0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(
            type=variables.dataset_type,
            **_of_the_set(variables),
            data_root=variables.data_root,
            **listed,
            data_prefix=variables.val_prefix,
            pipeline=variables.test_pipeline,
        ),
    )


def single_scale(scale: tuple[int, int] | None = None) -> list[dict[str, Any]]:
    """Return a test pipeline; predictions are compared with the mask at its own size.

    Args:
        scale (tuple[int, int], optional): Size of the images, (longer side, shorter side). Defaults
            to None: their own.
    """
    resize = [] if scale is None else [dict(type='Resize', scale=scale, keep_ratio=True)]
    # the mask is loaded after `Resize`, which would resize it too
    return [dict(type='LoadImageFromFile'), *resize, dict(type='LoadAnnotations'), _PACK]


def single_scale_with_mask(scale: tuple[int, int]) -> list[dict[str, Any]]:
    """Return a test pipeline in which the mask is resized like the image.

    The results cannot be compared with those on masks at their own size.

    Args:
        scale (tuple[int, int]): Size of both, (longer side, shorter side).
    """
    return [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='Resize', scale=scale, keep_ratio=True),
        # predictions are brought to ori_shape
        dict(
            type='KeyMapper',
            mapping=dict(img_shape='img_shape'),
            auto_remap=False,
            remapping=dict(img_shape='ori_shape'),
        ),
        _PACK,
    ]


def multi_scale(
    scale: tuple[int, int] | None = None, ratios: Sequence[float] = (0.75, 1.0, 1.25)
) -> list[dict[str, Any]]:
    """Return a pipeline of test-time augmentation: several scales, each also flipped.

    Args:
        scale (tuple[int, int], optional): Size of the images at ratio 1, (longer side, shorter
            side). Defaults to None: their own.
        ratios (Sequence[float]): Sizes in units of it. Defaults to (0.75, 1.0, 1.25).
    """
    sizes = [
        dict(scale_factor=ratio)
        if scale is None
        else dict(scale=tuple(round(ratio * side) for side in scale))
        for ratio in ratios
    ]
    return [
        dict(type='LoadImageFromFile'),
        dict(
            type='TestTimeAug',
            transforms=[
                [dict(type='Resize', **size, keep_ratio=True) for size in sizes],
                [dict(type='RandomFlip', prob=prob, direction='horizontal') for prob in (0.0, 1.0)],
                [dict(type='LoadAnnotations')],
                [_PACK],
            ],
        ),
    ]


def _variables(config: Mapping[str, Any]) -> ConfigDict:
    """Return the variables of a config that is being parsed, merged into those of its bases."""
    own = {
        name: value
        for name, value in config.items()
        if not name.startswith('_') and not isinstance(value, (FunctionType, ModuleType))
    }
    merged = ConfigDict(config['_base_'])
    merged.merge(own)
    return merged


def _steps(transforms: Mapping[str, Any]) -> list[Any]:
    return [transform for transform in transforms.values() if transform is not None]


def _geometry(variables: ConfigDict, name: str) -> list[Any]:
    """Return the transforms of the geometry, with the sizes of the data set where they have none."""
    steps = []
    for step in _steps(variables.get(name, variables.geometry)):
        own = {}
        if step.type in ('Resize', 'RandomResize') and not {'scale', 'scale_factor'} & step.keys():
            own = dict(scale=variables.image_scale)
        elif step.type == 'RandomCrop' and 'crop_size' not in step:
            own = dict(crop_size=variables.crop_size)
        steps.append(dict(step, **own))
    return steps


def _branches(fields: list[str], pipelines: Mapping[str, Any]) -> dict[str, Any]:
    """Return the transform that makes a view of an image for each of its branches."""
    return dict(
        type='MultiBranch',
        branch_field=fields,
        **{
            branch: [*_steps(transforms), _PACK]
            for branch, transforms in pipelines.items()
            if transforms is not None
        },
    )


def _of_the_set(variables: ConfigDict) -> dict[str, Any]:
    return {name: variables[name] for name in _OF_THE_SET if name in variables}


def _list(path: str) -> str:
    """Return a list of the package as it is called from another folder than that of a checkout."""
    own = _PACKAGE / '.mim' / path
    return str(own.resolve()) if not os.path.exists(path) and own.is_file() else path


def _prefix(variables: ConfigDict, *keys: str) -> dict[str, str]:
    return {key: os.path.join(variables.data_root, variables.train_prefix[key]) for key in keys}


def _labeled(variables: ConfigDict, fields: list[str]) -> dict[str, Any]:
    named = variables.labeled_list is not None
    listed = dict(ann_file=_list(variables.labeled_list)) if named else {}
    pack = _branches(fields, variables.labeled_branches) if fields else _PACK
    return dict(
        type=variables.dataset_type,
        **_of_the_set(variables),
        **listed,
        data_prefix=_prefix(variables, 'img_path', 'seg_map_path'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            *_geometry(variables, 'labeled_geometry'),
            *_steps(variables.get('colors', {})),
            pack,
        ],
    )


def _unlabeled(variables: ConfigDict, fields: list[str]) -> dict[str, Any]:
    told = _of_the_set(variables)
    suffix = {key: told.pop(key) for key in ('img_suffix',) if key in told}
    told.pop('seg_map_suffix', None)
    return dict(
        type='UnlabeledDataset',
        like=dict(type=variables.dataset_type, **told) if told else variables.dataset_type,
        **suffix,
        ann_file=_list(variables.unlabeled_list),
        data_prefix=_prefix(variables, 'img_path'),
        # no mask is opened; all branches share the geometry
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadValidMap'),
            *_geometry(variables, 'unlabeled_geometry'),
            _branches(fields, variables.branches),
        ],
    )


def _pseudo_labeled(variables: ConfigDict, labeled: Mapping[str, Any]) -> dict[str, Any]:
    return dict(
        labeled,
        ann_file=_list(variables.unlabeled_list),
        data_prefix=dict(_prefix(variables, 'img_path'), seg_map_path=variables.pseudo_labels),
        seg_map_suffix='.png',
    )
