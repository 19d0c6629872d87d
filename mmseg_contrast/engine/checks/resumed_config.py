"""Configs that are not that of the run to resume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...problem import Problem

# Where weights come from at first: of no interest once there are others.
INITIAL = ('init_cfg', 'pretrained')
# What a resumed run must share with the run before, but for these keys: another machine has other
# folders and cores.
RESUMED = {
    'model': INITIAL,
    'train_dataloader': (
        'data_root',
        'data_prefix',
        'backend_args',
        'num_workers',
        'persistent_workers',
        'pin_memory',
        'prefetch_factor',
    ),
    'optim_wrapper': (),
    'param_scheduler': (),
}


def check_resumed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Problem]:
    """Compare all that a resumed run must share with the run before.

    Args:
        old (Mapping[str, Any]): Config in the checkpoint.
        new (Mapping[str, Any]): Config of this run.

    Returns:
        list[Problem]: The first difference of each part.
    """
    return [
        problem
        for key, skip in RESUMED.items()
        for problem in check_same_config(old.get(key), new.get(key), key, skip)
    ]


def check_same_config(
    old: Any, new: Any, place: str = 'model', skip: Sequence[str] = INITIAL
) -> list[Problem]:
    """Look for the first difference between the models of two configs.

    Args:
        old (Any): ``model`` in the config of the checkpoint.
        new (Any): ``model`` in the config of this run.
        place (str): Where in the config this is. Defaults to 'model'.
        skip (Sequence[str]): Keys that may differ. Defaults to where initial weights come from.

    Returns:
        list[Problem]: At most one.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new} - {*skip}, key=str):
            problems = check_same_config(
                old.get(key, '(not given)'), new.get(key, '(not given)'), f'{place}.{key}', skip
            )
            if problems:
                return problems
        return []
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        pairs = (
            check_same_config(*pair, f'{place}[{i}]', skip) for i, pair in enumerate(zip(old, new))
        )
        problems = next((problems for problems in pairs if problems), [])
        if problems or len(old) == len(new):
            return problems
        old, new = (f'a list of {len(each)}' for each in (old, new))
    if old == new:
        return []
    what = f'it was {old} in the run to resume, and is {new} in this config'
    remedy = 'resume with the config of that run, or start a new run with load_from'
    return [Problem(place, what, remedy)]
