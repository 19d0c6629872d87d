"""From a semi-supervised checkpoint to a plain one that MMSegmentation runs without this package.

A checkpoint of the semi-supervised segmentor holds the student under the keys of an ordinary
``EncoderDecoder`` and the teacher under the same keys behind ``teacher.``. These functions take one
of the two, leave out what serves training alone, and write the config that fits.
"""

import inspect
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmseg import registry
from mmseg.datasets import BaseSegDataset
from mmseg.models import EncoderDecoder, SegDataPreProcessor
from torch import Tensor

from ..config_text import read_config_text
from ..structures.step import BRANCHES
from .checkpoint import without_initial_weights

PACKAGE = __name__.split('.')[0]
_PARTS = ('backbone.', 'neck.', 'decode_head.', 'auxiliary_head.')
_TEACHER = 'teacher.'
_TOP_LEVEL = ('default_scope', 'env_cfg', 'log_level', 'log_processor', 'vis_backends')
_REGISTRIES = (
    registry.MODELS,
    registry.DATASETS,
    registry.TRANSFORMS,
    registry.METRICS,
    registry.HOOKS,
    registry.LOOPS,
    registry.VISUALIZERS,
)


def _head_of(key: str) -> str | None:
    """Return the index of the auxiliary head that a key belongs to, '' if there is but one."""
    if not key.startswith('auxiliary_head.'):
        return None
    index = key.split('.')[1]
    return index if index.isdigit() else ''


def _contrast_heads(state_dict: Mapping[str, Tensor]) -> set[str]:
    """Return the indices of the heads that embed pixels and do not classify them."""
    embed, classify = set(), set()
    for key in state_dict:
        head = _head_of(key)
        if head is None:
            continue
        inside = key.split('.')[2 if head else 1 :]
        if 'projector' in inside:
            embed.add(head)
        if 'conv_seg' in inside:
            classify.add(head)
    return embed - classify


def select_branch(
    state_dict: Mapping[str, Tensor], branch: str
) -> tuple[dict[str, Tensor], list[int] | None]:
    """Take one branch as the weights of an ordinary ``EncoderDecoder``.

    Contrast heads (a ``projector`` and no ``conv_seg``), memory banks, and whatever is no part of
    an ``EncoderDecoder`` are left out; the remaining auxiliary heads are numbered anew, in order.

    Args:
        state_dict (Mapping[str, Tensor]): Weights of a ``SemiSupervisedSegmentor``.
        branch (str): ``'student'`` or ``'teacher'``.

    Returns:
        tuple[dict[str, Tensor], list[int] | None]: The weights, and the old indices of the
        auxiliary heads that they hold; None where there is one such head, outside of a list.

    Raises:
        ValueError: If the branch is unknown or not in the checkpoint.
    """
    if branch not in BRANCHES:
        raise ValueError(f'unknown branch {branch!r}: choose from {", ".join(BRANCHES)}')
    prefix = _TEACHER if branch == 'teacher' else ''
    if prefix and not any(key.startswith(f'{prefix}backbone.') for key in state_dict):
        # A frozen backbone, which both branches use.
        shared = {k: v for k, v in state_dict.items() if k.startswith('backbone.')}
        if any(key.startswith(prefix) for key in state_dict):
            state_dict = {**state_dict, **{prefix + k: v for k, v in shared.items()}}
    weights = {
        key[len(prefix) :]: value
        for key, value in state_dict.items()
        if key.startswith(tuple(prefix + part for part in _PARTS))
        and not any(name.endswith('bank') for name in key.split('.'))
    }
    if not weights:
        raise ValueError(
            f'the checkpoint holds no {branch}: none of its {len(state_dict)} keys starts with '
            f'{prefix}{_PARTS[0]}'
        )
    contrast = _contrast_heads(weights)
    weights = {key: value for key, value in weights.items() if _head_of(key) not in contrast}
    heads = {head for head in map(_head_of, weights) if head is not None}
    if heads == {''}:
        return weights, None
    kept = sorted(int(head) for head in heads)

    def renumber(key: str) -> str:
        head = _head_of(key)
        if head is None:
            return key
        return '.'.join(['auxiliary_head', str(kept.index(int(head))), *key.split('.')[2:]])

    return {renumber(key): value for key, value in weights.items()}, kept


def _class_of(name: Any) -> type | None:
    """Return the class of this package that is registered under a name.

    One that stands in the place of a class of MMSeg is none: without this package the original does.
    """
    for each in _REGISTRIES:
        found = each.module_dict.get(name) if isinstance(name, str) else None
        if found is not None and found.__module__.startswith(f'{PACKAGE}.'):
            original = any(base.__name__ == name for base in found.__mro__[1:])
            return None if original else found
    return None


def own_types(node: Any) -> Iterator[str]:
    """Yield the ``type`` of each component in a config that only this package registers.

    Args:
        node (Any): A config or a part of one.
    """
    if isinstance(node, Mapping):
        if _class_of(node.get('type')):
            yield node['type']
        for child in node.values():
            yield from own_types(child)
    elif isinstance(node, (list, tuple)):
        for child in node:
            yield from own_types(child)


def _arguments(config: Mapping[str, Any], cls: type) -> dict[str, Any]:
    """Return the entries that a class takes, with its name as the type."""
    known = inspect.signature(cls.__init__).parameters
    return {'type': cls.__name__, **{k: v for k, v in config.items() if k in known}}


def plain_dataset(config: Mapping[str, Any]) -> dict[str, Any]:
    """Write a data set of this package as a ``BaseSegDataset``, wherever one can stand for it.

    Args:
        config (Mapping[str, Any]): Config of a data set.

    Returns:
        dict[str, Any]: The plain config; the one given where the class is not ours or loads its
        files in a way of its own.
    """
    cls = _class_of(config.get('type'))
    if cls is None or cls.__bases__ != (BaseSegDataset,) or 'load_data_list' in vars(cls):
        return dict(config)
    built = cls(
        **{k: v for k, v in config.items() if k not in ('type', 'pipeline')}, lazy_init=True
    )
    return {
        **config,
        'type': 'BaseSegDataset',
        'metainfo': {key: built.metainfo[key] for key in ('classes', 'palette')},
        'img_suffix': built.img_suffix,
        'seg_map_suffix': built.seg_map_suffix,
        'reduce_zero_label': built.reduce_zero_label,
    }


def plain_backbone(config: Mapping[str, Any]) -> dict[str, Any]:
    """Name the backbone itself where it is frozen: what it predicts is the same.

    Args:
        config (Mapping[str, Any]): Config of a backbone.
    """
    if config['type'] != 'FrozenBackbone':
        return dict(config)
    return {'type': config['of'], **{k: v for k, v in config.items() if k not in ('type', 'of')}}


def plain_head(config: Mapping[str, Any]) -> dict[str, Any]:
    """Leave a loss of this package out of a head: MMSegmentation's default stands in for it.

    Args:
        config (Mapping[str, Any]): Config of a decode head or an auxiliary head.

    Returns:
        dict[str, Any]: The head. Its predictions are the same, for no prediction needs a loss.
    """
    return {k: v for k, v in config.items() if k != 'loss_decode' or not any(own_types(v))}


def plain_config(config: Mapping[str, Any], auxiliary_heads: list[int] | None) -> dict[str, Any]:
    """Turn the config of a semi-supervised run into a plain one for validation and test.

    Args:
        config (Mapping[str, Any]): As from :func:`read_config_text`.
        auxiliary_heads (list[int] | None): Indices of the auxiliary heads to keep, as from
            :func:`select_branch`.

    Returns:
        dict[str, Any]: Config with an ``EncoderDecoder``. Components that only this package has
        remain, and with them its import; :func:`own_types` names them.
    """
    model = without_initial_weights(_arguments(config['model'], EncoderDecoder))
    model['backbone'] = plain_backbone(model['backbone'])
    model['decode_head'] = plain_head(model['decode_head'])
    heads = model.pop('auxiliary_head', None)
    if heads and auxiliary_heads is None:
        model['auxiliary_head'] = plain_head(heads)
    elif auxiliary_heads:
        model['auxiliary_head'] = [plain_head(heads[i]) for i in auxiliary_heads]

    plain: dict[str, Any] = {k: config[k] for k in _TOP_LEVEL if k in config}
    plain['model'] = model
    preprocessor = model.get('data_preprocessor') or config.get('data_preprocessor')
    if preprocessor:
        preprocessor = _arguments(preprocessor, SegDataPreProcessor)
        model['data_preprocessor'] = plain['data_preprocessor'] = preprocessor

    # A run for testing needs neither the saving nor the schedules of training.
    plain['default_hooks'] = {
        name: hook
        for name, hook in (config.get('default_hooks') or {}).items()
        if name not in ('checkpoint', 'param_scheduler') and not _class_of(hook['type'])
    }
    visualizer = config.get('visualizer')
    if visualizer and not _class_of(visualizer['type']):
        plain['visualizer'] = visualizer
    for key in ('test_pipeline', 'tta_pipeline', 'tta_model'):
        if key in config:
            plain[key] = config[key]
    for mode, loop in (('val', 'ValLoop'), ('test', 'TestLoop')):
        loader = config.get(f'{mode}_dataloader')
        if loader:
            plain[f'{mode}_dataloader'] = {**loader, 'dataset': plain_dataset(loader['dataset'])}
            plain[f'{mode}_evaluator'] = config[f'{mode}_evaluator']
            plain[f'{mode}_cfg'] = {'type': loop}

    others = [
        name
        for name in (config.get('custom_imports') or {}).get('imports', [])
        if name.split('.')[0] != PACKAGE or any(own_types(plain))
    ]
    if others:
        plain['custom_imports'] = {'imports': others, 'allow_failed_imports': False}
    return plain


def config_text(config: Mapping[str, Any], header: str) -> str:
    """Write a config as the text of a config file.

    Args:
        config (Mapping[str, Any]): The config.
        header (str): What it is, for a comment on top.
    """
    return textwrap.indent(header, '# ') + '\n' + Config(dict(config)).pretty_text


def extract(checkpoint: Mapping[str, Any], branch: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Take one branch out of a checkpoint, with the config that runs it.

    Args:
        checkpoint (Mapping[str, Any]): Content of a checkpoint of MMEngine's runner.
        branch (str): ``'student'`` or ``'teacher'``.

    Returns:
        tuple[dict[str, Any], dict[str, Any]]: The plain checkpoint, of ``meta`` and ``state_dict``
        alone, and the plain config.

    Raises:
        ValueError: If there is no such branch or no config in the checkpoint.
    """
    meta = checkpoint.get('meta') or {}
    if 'cfg' not in meta:
        raise ValueError("the checkpoint holds no config (meta.cfg): MMEngine's runner writes one")
    weights, heads = select_branch(checkpoint['state_dict'], branch)
    config = plain_config(read_config_text(meta['cfg']), heads)
    kept = {key: meta[key] for key in ('dataset_meta', 'iter', 'epoch') if key in meta}
    return {'meta': {**kept, 'cfg': Config(config).pretty_text}, 'state_dict': weights}, config


def check_fit(checkpoint: Mapping[str, Any], config: Mapping[str, Any]) -> int:
    """Build the plain model and load every weight into it.

    Args:
        checkpoint (Mapping[str, Any]): A plain checkpoint.
        config (Mapping[str, Any]): Its plain config.

    Returns:
        int: Number of tensors, all of which fit.

    Raises:
        ValueError: If a tensor is missing, left over, or of another shape.
    """
    model = registry.MODELS.build(config['model'])
    try:
        model.load_state_dict(checkpoint['state_dict'], strict=True)
    except RuntimeError as error:
        reason = ' '.join(str(error).split())
        raise ValueError(f'the weights do not fit the plain model: {reason}') from error
    return len(checkpoint['state_dict'])
