"""Overriding the variables of a config while it is parsed.

A config computes with variables such as ``crop_size``. What it makes of them is fixed once it is
parsed: a change of the variable alone would change nothing.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from unittest.mock import patch

from mmengine.config import Config
from mmengine.config import config as mmengine_config
from mmengine.config.utils import RemoveAssignFromAST

_OVERRIDES: ContextVar[Mapping[str, Any]] = ContextVar('overrides')
_OVERRIDE = ast.parse(f'__import__({__name__!r}, fromlist=["override"]).override(globals())').body[
    0
]


def parse_config(path: str | Path, variables: Mapping[str, Any]) -> Config:
    """Read a config in which variables have other values, wherever it or a base assigns them.

    Args:
        path (str | Path): A config in the style of ``_base_``. In one of ``read_base`` nothing
            is overridden.
        variables (Mapping[str, Any]): Value by name, or by dotted path below it.
    """
    with _overriding(variables):
        return Config.fromfile(path)


def override(namespace: dict[str, Any]) -> None:
    """Give the variables of a config that is being parsed their other values.

    Args:
        namespace (dict[str, Any]): Names that are assigned so far.
    """
    for option, value in _OVERRIDES.get().items():
        name, *keys = option.split('.')
        if name in namespace:
            namespace[name] = replaced(namespace[name], keys, value)


def replaced(node: Any, keys: Sequence[str], value: Any) -> Any:
    """Return a dict, list or tuple with another value at a path; nothing is changed in place.

    Args:
        node (Any): The root. It is returned itself if the value is there already, or if there is
            no such path.
        keys (Sequence[str]): Keys and indices down to the value; of a dict the last may be new.
        value (Any): The new value.
    """
    if not keys:
        return value
    key, *rest = keys
    if isinstance(node, Mapping):
        if key in node or not rest:
            old = node.get(key)
            new = replaced(old, rest, value)
            if key not in node or _differ(old, new):
                node = node.copy()
                node[key] = new
    elif isinstance(node, (list, tuple)) and key.isdigit() and int(key) < len(node):
        index = int(key)
        new = replaced(node[index], rest, value)
        if _differ(node[index], new):
            node = type(node)([*node[:index], new, *node[index + 1 :]])
    return node


def _differ(old: Any, new: Any) -> bool:
    return old is not new and (type(old) is not type(new) or old != new)


class _OverridingTransformer(RemoveAssignFromAST):
    """Restores the overridden variables after each statement of a config."""

    def visit_Module(self, node: ast.Module) -> ast.Module:
        self.generic_visit(node)
        body = []
        for statement in node.body:
            body.append(statement)
            # a docstring and imports from the future have to come first
            if not isinstance(statement, (ast.Import, ast.ImportFrom)) and not (
                isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            ):
                body.append(ast.copy_location(ast.fix_missing_locations(_OVERRIDE), statement))
        node.body = body
        return node


@contextmanager
def _overriding(variables: Mapping[str, Any]) -> Iterator[None]:
    """Let MMEngine parse with the transformer, which it has no option for."""
    token = _OVERRIDES.set(variables)
    try:
        with patch.object(mmengine_config, 'RemoveAssignFromAST', _OverridingTransformer):
            yield
    finally:
        _OVERRIDES.reset(token)
