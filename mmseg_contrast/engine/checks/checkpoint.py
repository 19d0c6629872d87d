"""Weights that are of another model."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ...problem import Problem

# Weights of these parts must be there in full; heads of a method may be new or left out.
CORE = ('backbone', 'neck', 'decode_head')
CLASSIFIER = 'decode_head.conv_seg.'


def check_state_dict(loaded: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[Problem]:
    """Compare the weights of a checkpoint with those of the model.

    A checkpoint of the backbone alone is welcome; so is one without teacher or contrast heads, or
    with some that the model does not have. A contrastive pretraining has no classifier: as a
    checkpoint it leaves the model's own new, as a model it leaves that of the checkpoint out.

    Args:
        loaded (Mapping[str, Tensor]): Weights of the checkpoint.
        own (Mapping[str, Tensor]): Weights of the model.

    Returns:
        list[Problem]: At most one.
    """
    loaded = {key.removeprefix('module.'): value for key, value in loaded.items()}
    remedy = 'give the checkpoint of a model with this config'
    backbone = 'or load weights of a backbone with backbone.init_cfg=dict(type="Pretrained", ...)'
    for key in sorted(loaded.keys() & own.keys()):
        have, need = tuple(loaded[key].shape), tuple(own[key].shape)
        if have != need and 'conv_seg' in key:
            what = f'it has {have[0]} classes, but the model {need[0]} ({key})'
            remedy += ', or delete the weights of its heads and load the rest'
            return [Problem('checkpoint', what, remedy)]
    for key in sorted(loaded.keys() & own.keys()):
        have, need = tuple(loaded[key].shape), tuple(own[key].shape)
        if have != need:
            what = f'{key} has the shape {have}, but in the model {need}'
            return [Problem('checkpoint', f'it is of another model: {what}', remedy)]
    if not loaded.keys() & own.keys():
        what = 'none of its weights has a name that the model knows'
        return [Problem('checkpoint', what, f'{remedy}, {backbone}')]
    pretraining = any(_is_pretraining(keys) for keys in (loaded, own))
    for part in CORE:
        theirs, ours = (
            {
                key
                for key in _core(keys)
                if key.startswith(f'{part}.') and not (pretraining and key.startswith(CLASSIFIER))
            }
            for keys in (loaded, own)
        )
        missing, surplus = sorted(ours - theirs), sorted(theirs - ours)
        # A classifier at the end of a pretrained backbone is a surplus that does no harm.
        # Weights of a backbone alone are welcome, a pretraining has all parts.
        whole = theirs or _is_pretraining(loaded)
        if whole and (missing or len(surplus) > 0.1 * len(theirs)):
            key = (missing or surplus)[0]
            side = 'it lacks' if missing else 'the model lacks'
            what = f'it is of another model: {side} {key}'
            return [Problem('checkpoint', what, f'{remedy}, {backbone}')]
    return []


def missing_weights(loaded: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[str]:
    """List the weights of backbone, neck and decode head that a checkpoint lacks.

    Args:
        loaded (Mapping[str, Tensor]): Weights of the checkpoint.
        own (Mapping[str, Tensor]): Weights of the model.
    """
    return sorted(_core(own) - {key.removeprefix('module.') for key in loaded})


def _core(weights: Mapping[str, Tensor]) -> set[str]:
    # Old checkpoints do not count batches.
    parts = tuple(f'{part}.' for part in CORE)
    return {key for key in weights if key.startswith(parts) and not key.endswith('_tracked')}


def _is_pretraining(weights: Mapping[str, Tensor]) -> bool:
    """Tell a `ContrastivePretrainer` by its projection head and the classifier it lacks."""
    return any(key.startswith('projector.') for key in weights) and not any(
        key.startswith(CLASSIFIER) for key in weights
    )
