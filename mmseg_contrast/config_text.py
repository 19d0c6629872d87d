"""The text of a config in a checkpoint, read as data: a file of somebody else may hold any text."""

from __future__ import annotations

import ast
from typing import Any


def read_config_text(text: str) -> dict[str, Any]:
    """Read the text of a config as data, without executing it.

    Args:
        text (str): What ``Config.pretty_text`` writes: assignments of literals and ``dict(...)``.

    Returns:
        dict[str, Any]: The config.

    Raises:
        ValueError: If the text is anything else.
    """

    def value_of(node: ast.expr) -> Any:
        if isinstance(node, ast.Call) and ast.unparse(node.func) == 'dict':
            # dict(a=1) or, for keys that are no names, dict({'a.b': 1})
            pairs = {k: v for arg in node.args for k, v in value_of(arg).items()}
            return {**pairs, **{item.arg: value_of(item.value) for item in node.keywords}}
        if isinstance(node, ast.Dict):
            return {value_of(k): value_of(v) for k, v in zip(node.keys, node.values)}
        if isinstance(node, (ast.List, ast.Tuple)):
            items = [value_of(item) for item in node.elts]
            return items if isinstance(node, ast.List) else tuple(items)
        return ast.literal_eval(node)

    config = {}
    for statement in ast.parse(text).body:
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            raise ValueError(f'line {statement.lineno} of the config is no assignment')
        config[statement.targets[0].id] = value_of(statement.value)
    return config
